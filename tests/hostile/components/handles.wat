;; Handles: too many of them, those of others, and those that are gone.

;;= handles-hoarded
;; Takes timers and gives none back.
;; errored: handles
(func (export "check") (result i32) (loop $more (drop (call $after (i64.const -1))) (br $more)) (unreachable))

;;= handles-of-output-hoarded
;; Takes its own output again and again.
;; errored: handles
(func (export "check") (result i32) (loop $more (drop (call $stdout)) (br $more)) (unreachable))

;;= handles-taken-and-given-back
;; Takes a timer and gives it back, a hundred thousand times: nothing piles up.
;; success: 
(func (export "check") (result i32) (local $left i32)
  (local.set $left (i32.const 100000))
  (loop $more
    (call $drop_pollable (call $after (i64.const -1)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $more (local.get $left)))
  (call $healthy))

;;= handle-used-after-drop
;; Uses a timer that it has given back.
;; errored: unknown handle index
(func (export "check") (result i32) (local $timer i32)
  (local.set $timer (call $after (i64.const 0)))
  (call $drop_pollable (local.get $timer))
  (call $block (local.get $timer)) (call $healthy))

;;= handle-dropped-twice
;; Gives the same timer back twice.
;; errored: unknown handle index
(func (export "check") (result i32) (local $timer i32)
  (local.set $timer (call $after (i64.const 0)))
  (call $drop_pollable (local.get $timer)) (call $drop_pollable (local.get $timer)) (call $healthy))

;;= handle-that-was-never-there
;; Guesses a handle.
;; errored: unknown handle index
(func (export "check") (result i32) (call $block (i32.const 42)) (call $healthy))

;;= handle-zero
;; The handle that nobody ever gets.
;; errored: unknown handle index
(func (export "check") (result i32) (call $drop_pollable (i32.const 0)) (call $healthy))

;;= handle-beyond-all
;; The largest number as a handle.
;; errored: unknown handle index
(func (export "check") (result i32) (call $drop_output (i32.const -1)) (call $healthy))

;;= handle-of-another-kind
;; Passes its output where a timer is expected.
;; errored: handle index … used with the wrong type
(func (export "check") (result i32) (call $block (call $stdout)) (call $healthy))

;;= handle-of-another-kind-dropped
;; Gives its output back as if it were a timer.
;; errored: handle index … used with the wrong type
(func (export "check") (result i32) (call $drop_pollable (call $stdout)) (call $healthy))

;;= handle-dropped-below-its-children
;; Gives a stream back while something still waits for it.
;; errored: 
(func (export "check") (result i32) (local $output i32)
  (local.set $output (call $stdout))
  (drop (call $subscribe_output (local.get $output)))
  (call $drop_output (local.get $output)) (call $healthy))

;;= poll-of-nothing
;; Waits for nothing at all, which would be for ever.
;; errored: empty
(func (export "check") (result i32) (call $poll (i32.const 0) (i32.const 0) (i32.const 256)) (call $healthy))

;;= poll-of-one-a-million-times
;; Waits for the same timer in a million places.
;; errored: 
(func (export "check") (result i32) (local $timer i32) (local $at i32)
  (drop (memory.grow (i32.const 80)))
  (local.set $timer (call $after (i64.const 0)))
  (local.set $at (i32.const 65536))
  (loop $next
    (i32.store (local.get $at) (local.get $timer))
    (local.set $at (i32.add (local.get $at) (i32.const 4)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 4065536))))
  (call $poll (i32.const 65536) (i32.const 1000000) (i32.const 256)) (call $healthy))

;;= poll-of-a-list-out-of-bounds
;; Waits for handles that are not in its memory.
;; errored: out of bounds
(func (export "check") (result i32) (call $poll (i32.const 65532) (i32.const 100) (i32.const 256)) (call $healthy))

;;= re-entrance-from-realloc
;; Calls the host while the host is waiting for memory: one call inside another.
;; shape: whole
;; errored: cannot leave component instance
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (import "probelet:plugin/context@0.1.0" (instance $context (export "config" (func (result string)))))
  (core func $now (canon lower (func $clock "now")))
  (core instance $first (export "now" (func $now)))
  (core module $allocator
    (import "host" "now" (func $now (result i64)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (drop (call $now)) (i32.const 1024)))
  (core instance $allocator (instantiate $allocator (with "host" (instance $first))))
  (core func $config (canon lower (func $context "config")
    (memory (core memory $allocator "memory")) (realloc (core func $allocator "realloc"))))
  (core instance $host (export "config" (func $config)))
  (core module $attack
    (import "host" "config" (func $config (param i32)))
    (func (export "run") (result i32) (call $config (i32.const 256)) (i32.const 0)))
  (core instance $attack (instantiate $attack (with "host" (instance $host))))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= re-entrance-from-post-return
;; Calls the host after its verdict, when it may only clean up.
;; after: (post-return (core func $attack "after"))
;; errored: cannot leave component instance
(func (export "check") (result i32) (call $healthy))
(func (export "after") (param i32) (drop (call $now)))

;;= borrow-kept
;; One part of a component keeps what another has only lent to it.
;; shape: whole
;; errored: borrow
(component
  (component $keeper
    (import "thing" (type $thing (sub resource)))
    (core module $code (func (export "keep") (param i32)))
    (core instance $code (instantiate $code))
    (func (export "keep") (param "thing" (borrow $thing)) (canon lift (core func $code "keep"))))
  (type $thing (resource (rep i32)))
  (instance $keeper (instantiate $keeper (with "thing" (type $thing))))
  (core func $new (canon resource.new $thing))
  (core func $keep (canon lower (func $keeper "keep")))
  (core instance $host (export "new" (func $new)) (export "keep" (func $keep)))
  (core module $attack
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "keep" (func $keep (param i32)))
    (func (export "run") (result i32) (call $keep (call $new (i32.const 7))) (i32.const 0)))
  (core instance $attack (instantiate $attack (with "host" (instance $host))))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= resources-of-its-own-hoarded
;; Makes resources of its own without end, which the host keeps a table of.
;; shape: whole
;; errored: handles
(component
  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))
  (core instance $host (export "new" (func $new)))
  (core module $attack
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "run") (result i32) (loop $more (drop (call $new (i32.const 7))) (br $more)) (i32.const 0)))
  (core instance $attack (instantiate $attack (with "host" (instance $host))))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
