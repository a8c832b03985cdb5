;; Computing without end, wherever a guest's code runs.

;;= loop-in-check
;; Never comes back.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32) (loop $again (br $again)) (unreachable))

;;= loop-in-check-with-endless-fuel
;; Never comes back, and its manifest grants all the fuel there is: only the clock can end it.
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms … was still at work
(func (export "check") (result i32) (loop $again (br $again)) (unreachable))

;;= loop-in-start
;; Never ends to be instantiated.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func $start (loop $again (br $again)))
(start $start)
(func (export "check") (result i32) (call $healthy))

;;= loop-in-start-with-endless-fuel
;; Never ends to be instantiated, against the clock.
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms
(func $start (loop $again (br $again)))
(start $start)
(func (export "check") (result i32) (call $healthy))

;;= loop-in-realloc
;; Takes the configuration, and never says where to put it: the host is in the middle of answering.
;; realloc: (loop $again (br $again))
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= loop-in-realloc-with-endless-fuel
;; Never says where to put the host's answer, against the clock.
;; realloc: (loop $again (br $again))
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= loop-in-post-return
;; Gives its verdict, and then never ends to clean up after it.
;; after: (post-return (core func $attack "after"))
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32) (call $healthy))
(func (export "after") (param i32) (loop $again (br $again)))

;;= loop-in-post-return-with-endless-fuel
;; Never ends to clean up after its verdict, against the clock.
;; after: (post-return (core func $attack "after"))
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32) (call $healthy))
(func (export "after") (param i32) (loop $again (br $again)))

;;= loop-of-host-calls
;; Has the host work for it, which uses little fuel.
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(func (export "check") (result i32)
  (loop $again (drop (call $now)) (drop (call $time_left)) (br $again)) (unreachable))

;;= loop-of-polls
;; Asks whether something is ready that never is, instead of waiting for it.
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(func (export "check") (result i32) (local $timer i32)
  (local.set $timer (call $after (i64.const -1)))
  (loop $again (drop (call $ready (local.get $timer))) (br $again)) (unreachable))

;;= loop-of-polls-of-what-is-ready
;; Waits for what is there at once, again and again: a host that never yields would never look at the clock.
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(func (export "check") (result i32) (local $timer i32)
  (local.set $timer (call $after (i64.const 0)))
  (loop $again (call $block (local.get $timer)) (br $again)) (unreachable))

;;= loop-of-tail-calls
;; A loop that is none: functions that call each other for ever without a stack.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func $one (result i32) (return_call $two))
(func $two (result i32) (return_call $one))
(func (export "check") (result i32) (call $one))

;;= loop-of-indirect-calls
;; The same through a table.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(type $t (func (result i32)))
(table $table 1 funcref)
(elem (table $table) (i32.const 0) func $one)
(func $one (type $t) (return_call_indirect $table (type $t) (i32.const 0)))
(func (export "check") (result i32) (call $one))

;;= loop-of-memory-fills
;; One instruction writes 16 MiB: fuel must not count it as one.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 256)))
  (loop $again (memory.fill (i32.const 65536) (i32.const 7) (i32.const 16777216)) (br $again)) (unreachable))

;;= loop-of-memory-copies
;; One instruction moves 15 MiB.
;; errored: used up its 100000000 units of fuel (limits.fuel)
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 480)))
  (loop $again (memory.copy (i32.const 65536) (i32.const 15794176) (i32.const 15728640)) (br $again)) (unreachable))

;;= loop-of-table-fills
;; One instruction writes half a table.
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(table $table 65536 funcref)
(func (export "check") (result i32)
  (loop $again (table.fill $table (i32.const 0) (ref.null func) (i32.const 65536)) (br $again)) (unreachable))

;;= loop-of-growing-by-nothing
;; Asks for no memory at all, without end.
;; milliseconds: 400
;; limits: {"fuel": 1000000000000}
;; failure: timed out after 400ms
(func (export "check") (result i32)
  (loop $again (drop (memory.grow (i32.const 0))) (br $again)) (unreachable))

;;= loop-in-destructor
;; Gives a resource of its own back to itself, and never ends to destroy it.
;; shape: whole
;; errored: used up its 100000000 units of fuel (limits.fuel)
(component
  (core module $destroyer (func (export "destroy") (param i32) (loop $again (br $again))))
  (core instance $destroyer (instantiate $destroyer))
  (type $thing (resource (rep i32) (dtor (core func $destroyer "destroy"))))
  (core func $new (canon resource.new $thing))
  (core func $drop (canon resource.drop $thing))
  (core instance $things (export "new" (func $new)) (export "drop" (func $drop)))
  (core module $attack
    (import "things" "new" (func $new (param i32) (result i32)))
    (import "things" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (call $drop (call $new (i32.const 1))) (i32.const 0)))
  (core instance $attack (instantiate $attack (with "things" (instance $things))))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= loop-in-hook
;; A hook that never comes back.
;; shape: whole
;; hook:
;; errored: used up its 100000000 units of fuel (limits.fuel)
(component
  (core module $attack
    (memory (export "memory") 1)
    (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result (error string))) (canon lift (core func $attack "run") (memory (core memory $attack "memory"))))
  (instance $hook (export "run" (func $run)))
  (export "probelet:plugin/hook@0.1.0" (instance $hook)))

;;= loop-in-hook-with-endless-fuel
;; A hook that never comes back, against the clock.
;; shape: whole
;; hook:
;; engine: hooks have no time limit in a manifest
;; limits: {"fuel": 1000000000000}
;; milliseconds: 400
;; failure: timed out after 400ms
(component
  (core module $attack
    (memory (export "memory") 1)
    (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result (error string))) (canon lift (core func $attack "run") (memory (core memory $attack "memory"))))
  (instance $hook (export "run" (func $run)))
  (export "probelet:plugin/hook@0.1.0" (instance $hook)))

;;= loop-in-command
;; A program of WASI's own kind that never exits.
;; shape: whole
;; errored: used up its 100000000 units of fuel (limits.fuel)
(component
  (core module $attack (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
