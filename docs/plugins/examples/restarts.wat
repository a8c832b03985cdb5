;; A probe in the component model's text format, to show that there is no magic: it is degraded once its container has been
;; restarted three times. `probelet plugin build restarts.wat` makes a component of it.
(component
  ;; What it may use of the host: one function of the context.
  (import "probelet:plugin/context@0.1.0" (instance $context
    (export "restart-count" (func (result u32)))))

  ;; The contract's types, which the host knows by their names.
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

  ;; The program: numbers and memory are all it knows.
  (core module $program
    (import "host" "restart-count" (func $restart-count (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 256) "restarted again and again")
    (data (i32.const 288) "restarts")
    ;; The list of fields at 64: the name's address and length, the tag of a number at 72, and the number at 80.
    (data (i32.const 64) "\20\01\00\00" "\08\00\00\00" "\01")
    (func (export "check") (result i32)
      (f64.store (i32.const 80) (f64.convert_i32_u (call $restart-count)))
      ;; The result at 0: ok; health at 4; the message's address and length at 8; the fields' address and length at 16.
      (if (i32.ge_u (call $restart-count) (i32.const 3)) (then
        (i32.store8 (i32.const 4) (i32.const 1))
        (i32.store (i32.const 8) (i32.const 256))
        (i32.store (i32.const 12) (i32.const 25))))
      (i32.store (i32.const 16) (i32.const 64))
      (i32.store (i32.const 20) (i32.const 1))
      (i32.const 0)))

  ;; From the host's function to the program's import, and from the program's export to the contract's function.
  (core func $restart-count (canon lower (func $context "restart-count")))
  (core instance $program (instantiate $program
    (with "host" (instance (export "restart-count" (func $restart-count))))))
  (func $check (result (result $verdict (error string)))
    (canon lift (core func $program "check") (memory (core memory $program "memory"))))
  (instance $probe (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe)))
