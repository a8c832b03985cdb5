;; Components that claim to be what they are not.

;;= contract-of-0.2.0
;; Claims a later version of the contract, which may mean something else by the same names.
;; version: 0.2.0
;; refused: exports neither `probelet:plugin/probe` nor … 0.1 … probelet:plugin/probe@0.2.0
(func (export "check") (result i32) (call $healthy))

;;= contract-of-1.0.0
;; Claims the version that there may once be.
;; version: 1.0.0
;; refused: exports neither … probelet:plugin/probe@1.0.0
(func (export "check") (result i32) (call $healthy))

;;= contract-of-0.0.1
;; Claims a version before the first.
;; version: 0.0.1
;; refused: exports neither … probelet:plugin/probe@0.0.1
(func (export "check") (result i32) (call $healthy))

;;= contract-of-0.1.99
;; Claims a later version that is compatible: what it exports is what we call.
;; version: 0.1.99
;; success: 
(func (export "check") (result i32) (call $healthy))

;;= contract-of-a-preview
;; Claims a version before a release, which is compatible with nothing.
;; version: 0.1.0-rc.1
;; refused: exports neither … probelet:plugin/probe@0.1.0-rc.1
(func (export "check") (result i32) (call $healthy))

;;= contract-imported-of-0.2.0
;; Exports our version and imports a later one.
;; shape: whole
;; refused: probelet:plugin/context@0.2.0
(component
  (import "probelet:plugin/context@0.2.0" (instance $context (export "config" (func (result string)))))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-a-function-that-is-not-there
;; Imports a function that our version of an interface does not have.
;; shape: whole
;; refused: give-me-root
(component
  (import "probelet:plugin/context@0.1.0" (instance $context (export "give-me-root" (func (result string)))))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-a-function-of-another-type
;; Imports a function of ours as if it took a number and gave one.
;; shape: whole
;; refused: config
(component
  (import "probelet:plugin/context@0.1.0" (instance $context (export "config" (func (param "a" u32) (result u32)))))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-what-nobody-offers
;; Imports an interface of somebody else's host.
;; shape: whole
;; refused: wasi:keyvalue/store@0.2.0
(component
  (import "wasi:keyvalue/store@0.2.0" (instance $store (export "open" (func (param "name" string)))))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-a-bare-function
;; Imports a function that belongs to no interface.
;; shape: whole
;; refused: system
(component
  (import "system" (func (param "command" string)))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-a-module
;; Wants the host to give it code.
;; shape: whole
;; refused: code
(component
  (import "code" (core module $code (export "run" (func (result i32)))))
  (core instance $attack (instantiate $code))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-imports-the-old-wasi
;; Imports WASI's first interface, which hands out files.
;; shape: whole
;; refused: wasi_snapshot_preview1
(component
  (import "wasi_snapshot_preview1" (instance $old (export "fd-write" (func))))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= contract-check-of-another-type
;; Exports a check that gives a number, which would be taken for a pointer.
;; shape: whole
;; refused: check
(component
  (core module $attack (func (export "check") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $check (result u32) (canon lift (core func $attack "check")))
  (instance $probe (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe)))

;;= contract-check-with-a-parameter
;; Exports a check that wants something.
;; shape: whole
;; refused: check
(component
  (core module $attack (func (export "check") (param i32) (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $check (param "what" u32) (result (result)) (canon lift (core func $attack "check")))
  (instance $probe (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe)))

;;= contract-run-of-another-type
;; Exports a hook that gives nothing.
;; shape: whole
;; hook:
;; refused: run
(component
  (core module $attack (func (export "run")))
  (core instance $attack (instantiate $attack))
  (func $run (canon lift (core func $attack "run")))
  (instance $hook (export "run" (func $run)))
  (export "probelet:plugin/hook@0.1.0" (instance $hook)))

;;= contract-probe-that-is-a-function
;; Exports a function where an interface is expected.
;; shape: whole
;; refused: exports neither
(component
  (core module $attack (func (export "check")))
  (core instance $attack (instantiate $attack))
  (func $check (canon lift (core func $attack "check")))
  (export "probe" (func $check)))

;;= contract-probe-without-check
;; Exports the interface with nothing in it.
;; shape: whole
;; refused: exports neither
(component
  (instance $probe)
  (export "probelet:plugin/probe@0.1.0" (instance $probe)))

;;= contract-exports-nothing
;; Exports nothing at all.
;; shape: whole
;; refused: it exports nothing
(component)

;;= contract-exports-of-a-stranger
;; Is somebody else's component.
;; shape: whole
;; refused: it exports acme:db/query@1.0.0
(component
  (instance $query)
  (export "acme:db/query@1.0.0" (instance $query)))

;;= contract-hook-as-a-probe
;; A hook that a manifest names as a probe.
;; shape: whole
;; errored: is no probe
;; node: refused: is a hook and no probe
(component
  (core module $attack (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 16)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result (error string))) (canon lift (core func $attack "run") (memory (core memory $attack "memory"))))
  (instance $hook (export "run" (func $run)))
  (export "probelet:plugin/hook@0.1.0" (instance $hook)))

;;= contract-names-like-another-engines
;; Only looks as if it were of WASI 0.3, to be run on the other engine: there it is run as well.
;; success: 
(data (i32.const 1024) "probelet:plugin/async-probe@0.3.0")
(func (export "check") (result i32) (call $healthy))
