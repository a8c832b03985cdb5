;; A probe that is well, and a description of itself whose code is the attack.
(component
  (core module $attack
    (memory (export "memory") 1)
    (func (export "check") (result i32) (i32.const 16))
    ;; Where a text is put for the host: at 64.
    (func $text (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 64) (local.get $at))
      (i32.store (i32.const 68) (local.get $length))
      (i32.const 64))
    (func $nothing (result i32) (call $text (i32.const 0) (i32.const 0)))
    ;; Some text at 100.
    (func $none (result i32) (i32.store8 (i32.const 100) (i32.const 0)) (i32.const 100))
    (func $some (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 100) (i32.const 1))
      (i32.store (i32.const 104) (local.get $at))
      (i32.store (i32.const 108) (local.get $length))
      (i32.const 100))
    @body@)
  (core instance $attack (instantiate $attack))
  (type $health (enum "healthy" "degraded" "unhealthy"))
  (type $value (variant (case "text" string) (case "number" f64) (case "flag" bool)))
  (export $health_exported "health" (type $health))
  (export $value_exported "value" (type $value))
  (type $field (record (field "name" string) (field "value" $value_exported)))
  (export $field_exported "field" (type $field))
  (type $verdict
    (record (field "health" $health_exported) (field "message" string) (field "fields" (list $field_exported))))
  (export $verdict_exported "verdict" (type $verdict))
  (func $check (result (result $verdict_exported (error string)))
    (canon lift (core func $attack "check") (memory (core memory $attack "memory"))))
  (instance $probe
    (export "health" (type $health_exported)) (export "value" (type $value_exported))
    (export "field" (type $field_exported)) (export "verdict" (type $verdict_exported))
    (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe))
  (func $name (result string) (canon lift (core func $attack "name") (memory (core memory $attack "memory"))))
  (func $version (result string) (canon lift (core func $attack "version") (memory (core memory $attack "memory"))))
  (func $schema (result (option string)) (canon lift (core func $attack "schema") (memory (core memory $attack "memory"))))
  (func $grants (result (list string)) (canon lift (core func $attack "grants") (memory (core memory $attack "memory"))))
  (instance $describe
    (export "name" (func $name)) (export "version" (func $version))
    (export "config-schema" (func $schema)) (export "grants" (func $grants)))
  (export "probelet:plugin/describe@0.1.0" (instance $describe)))
