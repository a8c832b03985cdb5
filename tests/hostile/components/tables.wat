;; Tables, instances, types: what else a component can have too much of.

;;= table-in-steps
;; Makes its table larger until it may not, and then gives up.
;; errored: table
(table $table 1 funcref)
(func (export "check") (result i32)
  (loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
  (unreachable))

;;= table-at-once
;; Asks for four thousand million places in one go.
;; errored: table
(table $table 1 funcref)
(func (export "check") (result i32)
  (if (i32.eq (table.grow $table (ref.null func) (i32.const -2)) (i32.const -1)) (then (unreachable)))
  (call $healthy))

;;= table-from-the-start
;; Is born with ten million places.
;; refused: table
(table $table 10000000 funcref)
(func (export "check") (result i32) (call $healthy))

;;= tables-each-within-the-limit
;; Sixty modules, each with a table that is allowed: together they take 30 MiB of the host's memory, which counts as the
;; guest's own.
;; shape: whole
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(component
  (core module $memory (memory 64))
  (core instance (instantiate $memory))
  (core module $part (table 65536 funcref))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core instance (instantiate $part)) (core instance (instantiate $part)) (core instance (instantiate $part))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= tables-in-one-module
;; More tables in one module than any toolchain makes.
;; refused: tables
(table 1 funcref) (table 1 funcref) (table 1 funcref)
(func (export "check") (result i32) (call $healthy))

;;= table-read-beyond-its-end
;; Calls what lies behind its table.
;; errored: undefined element
(type $t (func (result i32)))
(table $table 1 funcref)
(func (export "check") (result i32) (call_indirect $table (type $t) (i32.const 5000)))

;;= table-called-with-another-signature
;; Calls a function as what it is not, to confuse numbers and pointers.
;; errored: indirect call type mismatch
(type $t (func (param i64) (result i32)))
(table $table 1 funcref)
(elem (table $table) (i32.const 0) func $healthy)
(func (export "check") (result i32) (call_indirect $table (type $t) (i64.const 7) (i32.const 0)))
