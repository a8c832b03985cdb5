;; A probe of WASI 0.3, which may wait for several things at once.
(component
  (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock
    (export "wait-for" (func async (param "how-long" u64)))))
  (core module $allocator
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
  (core instance $allocator (instantiate $allocator))

  (type $health (enum "healthy" "degraded" "unhealthy"))
  (type $value (variant (case "text" string) (case "number" f64) (case "flag" bool)))
  (export $health_exported "health" (type $health))
  (export $value_exported "value" (type $value))
  (type $field (record (field "name" string) (field "value" $value_exported)))
  (export $field_exported "field" (type $field))
  (type $verdict
    (record (field "health" $health_exported) (field "message" string) (field "fields" (list $field_exported))))
  (export $verdict_exported "verdict" (type $verdict))
  (type $said (result $verdict_exported (error string)))
  (type $bytes (stream u8))
  (type $later (future u8))

  (core func $wait_for (canon lower (func $clock "wait-for") async (memory (core memory $allocator "memory"))))
  (core func $return (canon task.return (result $said) (memory (core memory $allocator "memory"))))
  (core func $set_new (canon waitable-set.new))
  (core func $join (canon waitable.join))
  (core func $subtask_drop (canon subtask.drop))
  (core func $subtask_cancel (canon subtask.cancel))
  (core func $backpressure (canon backpressure.inc))
  (core func $stream_new (canon stream.new $bytes))
  (core func $future_new (canon future.new $later))
  (core func $stream_write (canon stream.write $bytes async (memory (core memory $allocator "memory"))))
  (core instance $host
    (export "wait-for" (func $wait_for)) (export "return" (func $return))
    (export "set-new" (func $set_new)) (export "join" (func $join))
    (export "subtask-drop" (func $subtask_drop)) (export "subtask-cancel" (func $subtask_cancel))
    (export "backpressure" (func $backpressure))
    (export "stream-new" (func $stream_new)) (export "future-new" (func $future_new))
    (export "stream-write" (func $stream_write)))

  (core module $attack
    (import "allocator" "memory" (memory $memory 1))
    (import "host" "wait-for" (func $wait_for (param i64) (result i32)))
    (import "host" "return" (func $return (param i32 i32 i32 i32 i32 i32)))
    (import "host" "set-new" (func $set_new (result i32)))
    (import "host" "join" (func $join (param i32 i32)))
    (import "host" "subtask-drop" (func $subtask_drop (param i32)))
    (import "host" "subtask-cancel" (func $subtask_cancel (param i32) (result i32)))
    (import "host" "backpressure" (func $backpressure))
    (import "host" "stream-new" (func $stream_new (result i64)))
    (import "host" "future-new" (func $future_new (result i64)))
    (import "host" "stream-write" (func $stream_write (param i32 i32 i32) (result i32)))
    (func $healthy (call $return (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
    ;; What `check` and `callback` give: done, let others run, wait for something in a set.
    (global $exit i32 (i32.const 0))
    (global $yield i32 (i32.const 1))
    (func $wait (param $set i32) (result i32) (i32.or (i32.const 2) (i32.shl (local.get $set) (i32.const 4))))
    ;; The handle of a subtask that a call has given.
    (func $subtask (param $status i32) (result i32) (i32.shr_u (local.get $status) (i32.const 4)))
    @body@)
  (core instance $attack (instantiate $attack (with "allocator" (instance $allocator)) (with "host" (instance $host))))
  (func $check async (result $said)
    (canon lift (core func $attack "check") async (callback (core func $attack "callback"))
      (memory (core memory $allocator "memory")) (realloc (core func $allocator "realloc"))))
  (instance $probe
    (export "health" (type $health_exported)) (export "value" (type $value_exported))
    (export "field" (type $field_exported)) (export "verdict" (type $verdict_exported))
    (export "check" (func $check)))
  (export "probelet:plugin/async-probe@0.1.0" (instance $probe)))
