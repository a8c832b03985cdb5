;; Attacks in what a plugin says of itself, which it is asked before it has any grant.

;;= describe-loop
;; Never ends to say its name.
;; shape: described
;; refused: cannot be asked what it is … used up its 100000000 units of fuel
(func (export "name") (result i32) (loop $again (br $again)) (unreachable))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $nothing))

;;= describe-trap
;; Breaks when asked for its version.
;; shape: described
;; refused: cannot be asked what it is … it panicked or aborted
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (unreachable))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $nothing))

;;= describe-memory
;; Takes all memory when asked for its name.
;; shape: described
;; refused: cannot be asked what it is … needed more than its 33554432 bytes of memory
(func (export "name") (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $nothing))

;;= describe-name-long
;; A name of 300 bytes, which would not fit any table.
;; shape: described
;; refused: at most 256 bytes
(func (export "name") (result i32)
  (memory.fill (i32.const 1024) (i32.const 0x6e) (i32.const 300)) (call $text (i32.const 1024) (i32.const 300)))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $nothing))

;;= describe-name-giant
;; A name of 16 MiB.
;; shape: described
;; refused: more than … bytes
(func (export "name") (result i32)
  (drop (memory.grow (i32.const 256))) (call $text (i32.const 65536) (i32.const 16777216)))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $nothing))

;;= describe-schema-large
;; A schema of 100 KiB.
;; shape: described
;; refused: its config-schema has more than 65536 bytes
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (drop (memory.grow (i32.const 2))) (call $some (i32.const 1024) (i32.const 102400)))
(func (export "grants") (result i32) (call $nothing))

;;= describe-schema-deep
;; A schema of 60,000 brackets, to overflow the stack of whoever reads it.
;; shape: described
;; refused: its config-schema is no JSON … recursion limit
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32)
  (memory.fill (i32.const 1024) (i32.const 0x5b) (i32.const 60000)) (call $some (i32.const 1024) (i32.const 60000)))
(func (export "grants") (result i32) (call $nothing))

;;= describe-schema-no-json
;; A schema that is none.
;; shape: described
;; refused: its config-schema is no JSON
(data (i32.const 1024) "rm -rf /")
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $some (i32.const 1024) (i32.const 8)))
(func (export "grants") (result i32) (call $nothing))

;;= describe-grants-many
;; Asks for a thousand grants.
;; shape: described
;; refused: at most 32 grants
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32) (call $text (i32.const 1024) (i32.const 1000)))

;;= describe-grants-a-million
;; Asks for more grants than the host would want to count.
;; shape: described
;; refused: more than … bytes
(func (export "name") (result i32) (call $nothing))
(func (export "version") (result i32) (call $nothing))
(func (export "schema") (result i32) (call $none))
(func (export "grants") (result i32)
  (drop (memory.grow (i32.const 200))) (call $text (i32.const 65536) (i32.const 1000000)))
