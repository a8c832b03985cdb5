;; The smallest probe that describes itself, written by hand.
(component
  (import "probelet:plugin/types@0.1.0" (instance $types
    (type $health-shape (enum "healthy" "degraded" "unhealthy"))
    (export "health" (type $health (eq $health-shape)))
    (type $value-shape (variant (case "text" string) (case "number" f64) (case "flag" bool)))
    (export "value" (type $value (eq $value-shape)))
    (type $field-shape (record (field "name" string) (field "value" $value)))
    (export "field" (type $field (eq $field-shape)))
    (type $verdict-shape (record (field "health" $health) (field "message" string) (field "fields" (list $field))))
    (export "verdict" (type (eq $verdict-shape)))))
  (alias export $types "verdict" (type $verdict))

  (core module $code
    (memory (export "memory") 1)
    ;; The result of `check`: ok, unhealthy, "tired", no fields.
    (data (i32.const 0) "\00\00\00\00" "\02\00\00\00" "\00\01\00\00" "\05\00\00\00" "\00\00\00\00" "\00\00\00\00")
    (data (i32.const 256) "tired")
    ;; Name, version, schema, grants.
    (data (i32.const 32) "\08\01\00\00" "\05\00\00\00")
    (data (i32.const 264) "plain")
    (data (i32.const 48) "\10\01\00\00" "\01\00\00\00")
    (data (i32.const 272) "1")
    (data (i32.const 64) "\01\00\00\00" "\18\01\00\00" "\11\00\00\00")
    (data (i32.const 280) "{\"type\":\"object\"}")
    (data (i32.const 80) "\00\00\00\00" "\00\00\00\00")
    (func (export "check") (result i32) (i32.const 0))
    (func (export "name") (result i32) (i32.const 32))
    (func (export "version") (result i32) (i32.const 48))
    (func (export "config-schema") (result i32) (i32.const 64))
    (func (export "grants") (result i32) (i32.const 80)))
  (core instance $code (instantiate $code))

  (func $check (result (result $verdict (error string)))
    (canon lift (core func $code "check") (memory (core memory $code "memory"))))
  (func $name (result string)
    (canon lift (core func $code "name") (memory (core memory $code "memory"))))
  (func $version (result string)
    (canon lift (core func $code "version") (memory (core memory $code "memory"))))
  (func $config-schema (result (option string))
    (canon lift (core func $code "config-schema") (memory (core memory $code "memory"))))
  (func $grants (result (list string))
    (canon lift (core func $code "grants") (memory (core memory $code "memory"))))

  (instance $probe (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe))
  (instance $describe
    (export "name" (func $name))
    (export "version" (func $version))
    (export "config-schema" (func $config-schema))
    (export "grants" (func $grants)))
  (export "probelet:plugin/describe@0.1.0" (instance $describe)))
