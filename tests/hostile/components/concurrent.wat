;; The endless things that only components of WASI 0.3 can do, on the engine that runs those.

;;= concurrent-loop
;; Never comes back.
;; shape: concurrent
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32) (loop $again (br $again)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-loop-with-endless-fuel
;; Never comes back, against the clock.
;; shape: concurrent
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (loop $again (br $again)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-yields
;; Lets others run, for ever.
;; shape: concurrent
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(func (export "check") (result i32) (global.get $yield))
(func (export "callback") (param i32 i32 i32) (result i32) (global.get $yield))

;;= concurrent-yields-after-its-verdict
;; Gives its verdict and stays.
;; shape: concurrent
;; success: 
(func (export "check") (result i32) (call $healthy) (global.get $yield))
(func (export "callback") (param i32 i32 i32) (result i32) (global.get $yield))

;;= concurrent-wait-for-nothing
;; Waits for a set that nothing is in.
;; shape: concurrent
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (call $wait (call $set_new)))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-wait-for-ever
;; Waits for a timer that ends when the sun does.
;; shape: concurrent
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (local $set i32)
  (local.set $set (call $set_new))
  (call $join (call $subtask (call $wait_for (i64.const 0x7fffffffffffffff))) (local.get $set))
  (call $wait (local.get $set)))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-never-says
;; Ends without having said anything.
;; shape: concurrent
;; errored: 
(func (export "check") (result i32) (global.get $exit))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-says-it-twice
;; Gives two verdicts.
;; shape: concurrent
;; errored: 
(func (export "check") (result i32) (call $healthy) (call $healthy) (global.get $exit))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-code-of-no-kind
;; Wants neither to end nor to wait nor to let others run.
;; shape: concurrent
;; errored: 
(func (export "check") (result i32) (i32.const 15))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-wait-for-a-set-that-is-not-there
;; Waits for a set that it has guessed.
;; shape: concurrent
;; errored: unknown handle index
(func (export "check") (result i32) (call $wait (i32.const 77)))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-calls-without-end
;; Begins host calls and looks after none of them.
;; shape: concurrent
;; errored: handles
(func (export "check") (result i32)
  (loop $more (drop (call $wait_for (i64.const 0x7fffffffffffffff))) (br $more)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-sets-without-end
;; Makes sets to wait for.
;; shape: concurrent
;; errored: handles
(func (export "check") (result i32) (loop $more (drop (call $set_new)) (br $more)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-streams-without-end
;; Makes streams of its own.
;; shape: concurrent
;; errored: handles
(func (export "check") (result i32) (loop $more (drop (call $stream_new)) (br $more)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-futures-without-end
;; Makes futures of its own.
;; shape: concurrent
;; errored: handles
(func (export "check") (result i32) (loop $more (drop (call $future_new)) (br $more)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-stream-that-nobody-reads
;; Writes into a stream of its own whose other end it holds itself, and waits for the reader.
;; shape: concurrent
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (local $set i32) (local $writer i32)
  (local.set $set (call $set_new))
  (local.set $writer (i32.wrap_i64 (i64.shr_u (call $stream_new) (i64.const 32))))
  (drop (call $stream_write (local.get $writer) (i32.const 0) (i32.const 16)))
  (call $join (local.get $writer) (local.get $set))
  (call $wait (local.get $set)))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-stream-out-of-bounds
;; Writes into a stream what is not in its memory.
;; shape: concurrent
;; errored: out of bounds
(func (export "check") (result i32)
  (drop (call $stream_write (i32.wrap_i64 (i64.shr_u (call $stream_new) (i64.const 32))) (i32.const 65000) (i32.const 65536)))
  (call $healthy) (global.get $exit))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-subtask-dropped-too-early
;; Gives a call back that is still under way.
;; shape: concurrent
;; errored: 
(func (export "check") (result i32)
  (call $subtask_drop (call $subtask (call $wait_for (i64.const 0x7fffffffffffffff))))
  (call $healthy) (global.get $exit))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))

;;= concurrent-backpressure
;; Says that it is too busy for any call, more often than anybody can count.
;; shape: concurrent
;; errored: 
(func (export "check") (result i32) (loop $more (call $backpressure) (br $more)) (unreachable))
(func (export "callback") (param i32 i32 i32) (result i32) (unreachable))
