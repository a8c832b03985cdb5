;; Using up the stack, which is the host's.

;;= recursion-direct
;; A function that calls itself.
;; errored: overflowed its stack
(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))
(func (export "check") (result i32) (call $deeper (i32.const 1)))

;;= recursion-mutual
;; Two functions that call each other.
;; errored: overflowed its stack
(func $one (result i32) (i32.add (i32.const 1) (call $two)))
(func $two (result i32) (i32.add (i32.const 1) (call $one)))
(func (export "check") (result i32) (call $one))

;;= recursion-through-a-table
;; The same through a table, which hides who calls whom.
;; errored: overflowed its stack
(type $t (func (result i32)))
(table $table 1 funcref)
(elem (table $table) (i32.const 0) func $one)
(func $one (type $t) (i32.add (i32.const 1) (call_indirect $table (type $t) (i32.const 0))))
(func (export "check") (result i32) (call $one))

;;= recursion-in-start
;; Overflows while it is instantiated.
;; errored: overflowed its stack
(func $deeper (result i32) (i32.add (i32.const 1) (call $deeper)))
(func $start (drop (call $deeper)))
(start $start)
(func (export "check") (result i32) (call $healthy))

;;= recursion-in-realloc
;; Overflows while the host waits for memory to put its answer into.
;; realloc: (drop (call 0 (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)))
;; errored: overflowed its stack
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= recursion-in-post-return
;; Overflows after the verdict.
;; after: (post-return (core func $attack "after"))
;; errored: overflowed its stack
(func $deeper (param i32) (call $deeper (local.get 0)) (drop (memory.grow (i32.const 0))))
(func (export "check") (result i32) (call $healthy))
(func (export "after") (param i32) (call $deeper (i32.const 1)))

;;= recursion-down-to-a-host-call
;; Goes as deep as it can and calls the host at each step, so that the host is what finds no stack left.
;; errored: overflowed its stack
(func $deeper (result i64) (i64.add (call $now) (call $deeper)))
(func (export "check") (result i32) (drop (call $deeper)) (call $healthy))

;;= recursion-down-to-a-host-call-that-waits
;; The same with a call that waits, for which the host needs more.
;; errored: overflowed its stack
(func $deeper (param $timer i32) (result i32)
  (i32.add (call $ready (local.get $timer)) (call $deeper (local.get $timer))))
(func (export "check") (result i32) (call $deeper (call $after (i64.const 0))))

;;= recursion-down-to-an-answer
;; The same with a call whose answer makes the host call back for memory.
;; limits: {"memory": 134217728}
;; errored: overflowed its stack
(func $deeper (result i32) (call $config (i32.const 256)) (i32.add (i32.const 1) (call $deeper)))
(func (export "check") (result i32) (call $deeper))
