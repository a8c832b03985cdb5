;; Lies at the border: pointers, lengths, numbers of cases that the host would be wrong to believe.

;;= abi-result-out-of-bounds
;; Its verdict lies beyond its memory.
;; errored: out of bounds
(func (export "check") (result i32) (i32.const -16))

;;= abi-result-at-the-very-end
;; Its verdict begins inside its memory and ends outside.
;; errored: out of bounds
(func (export "check") (result i32) (i32.const 65528))

;;= abi-result-misaligned
;; Its verdict lies where no such thing can.
;; errored: not aligned
(func (export "check") (result i32) (i32.const 17))

;;= abi-result-of-no-kind
;; Neither a verdict nor an error.
;; errored: discriminant
(func (export "check") (result i32) (drop (call $healthy)) (i32.store8 (i32.const 16) (i32.const 9)) (i32.const 16))

;;= abi-health-of-no-kind
;; A health that there is not.
;; errored: discriminant
(func (export "check") (result i32) (call $verdict (i32.const 7) (i32.const 0) (i32.const 0)))

;;= abi-message-out-of-bounds
;; A message beyond its memory: the host's, for all it hopes.
;; errored: out of bounds
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 0x7fff0000) (i32.const 64)))

;;= abi-message-crosses-the-end
;; A message that begins inside and ends outside.
;; errored: out of bounds
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 65530) (i32.const 64)))

;;= abi-message-wraps
;; A message whose end is before its beginning, if one reckons with 32 bits.
;; errored: out of bounds
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const -16) (i32.const 32)))

;;= abi-message-of-four-gibibytes
;; A length that no memory has.
;; errored: out of bounds
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 0) (i32.const -1)))

;;= abi-message-no-text
;; A message that is no UTF-8.
;; errored: utf-8
(func (export "check") (result i32)
  (i64.store (i32.const 1024) (i64.const -1)) (call $verdict (i32.const 2) (i32.const 1024) (i32.const 8)))

;;= abi-message-cut-character
;; A message that ends in the middle of a character.
;; errored: utf-8
(data (i32.const 1024) "ab\c3")
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 1024) (i32.const 3)))

;;= abi-message-lone-surrogate
;; A message in UTF-16 with half of a character.
;; encoding: utf16
;; errored: surrogate
(data (i32.const 1024) "\00\d8a\00")
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 1024) (i32.const 2)))

;;= abi-message-misaligned
;; A message in UTF-16 at an odd address.
;; encoding: utf16
;; errored: aligned
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 1025) (i32.const 2)))

;;= abi-message-tagged-length
;; A message in the encoding that has a flag in its length, which only claims to be long.
;; encoding: latin1+utf16
;; errored: out of bounds
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 1024) (i32.const 0xfffffffe)))

;;= abi-message-with-control-characters
;; A message that would drive a terminal, with zeros in it.
;; failure: 
(data (i32.const 1024) "\1b[2J\00\07\1b]0;owned\07")
(func (export "check") (result i32) (call $verdict (i32.const 2) (i32.const 1024) (i32.const 16)))

;;= abi-message-large
;; A message of 3 MiB: it is cut.
;; failure: zz… (cut)
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 48)))
  (memory.fill (i32.const 65536) (i32.const 0x7a) (i32.const 3145728))
  (call $verdict (i32.const 2) (i32.const 65536) (i32.const 3145728)))

;;= abi-message-giant
;; A message of 16 MiB, which the host would have to copy before it could cut it.
;; errored: more than … bytes
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 256)))
  (call $verdict (i32.const 2) (i32.const 65536) (i32.const 16777216)))

;;= abi-error-giant
;; The same as an error.
;; errored: more than … bytes
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 256)))
  (i32.store8 (i32.const 16) (i32.const 1))
  (i32.store (i32.const 20) (i32.const 65536))
  (i32.store (i32.const 24) (i32.const 16777216))
  (i32.const 16))

;;= abi-fields-out-of-bounds
;; Fields beyond its memory.
;; errored: out of bounds
(func (export "check") (result i32) (call $fields (i32.const 65520) (i32.const 1000)) (call $healthy))

;;= abi-fields-wrap
;; So many fields that their size, reckoned with 32 bits, is none.
;; errored: 
(func (export "check") (result i32) (call $fields (i32.const 0) (i32.const 0x20000000)) (call $healthy))

;;= abi-fields-misaligned
;; Fields where none can lie.
;; errored: not aligned
(func (export "check") (result i32) (call $fields (i32.const 1025) (i32.const 1)) (call $healthy))

;;= abi-fields-a-million
;; A million fields. The host keeps 32, but it has to read them all.
;; errored: more than … bytes
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 400)))
  (call $fields (i32.const 65536) (i32.const 1000000)) (call $healthy))

;;= abi-fields-that-share-a-text
;; A thousand fields that all point to the same megabyte: a gigabyte, once the host has copied it.
;; errored: more than … bytes
(func (export "check") (result i32) (local $at i32)
  (drop (memory.grow (i32.const 64)))
  (local.set $at (i32.const 65536))
  (loop $next
    (i32.store (local.get $at) (i32.const 1048576))
    (i32.store offset=4 (local.get $at) (i32.const 1048576))
    (local.set $at (i32.add (local.get $at) (i32.const 24)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 89536))))
  (call $fields (i32.const 65536) (i32.const 1000)) (call $healthy))

;;= abi-field-of-no-kind
;; A field's value of a kind that there is not.
;; errored: discriminant
(func (export "check") (result i32)
  (i32.store8 (i32.const 1032) (i32.const 200)) (call $fields (i32.const 1024) (i32.const 1)) (call $healthy))

;;= abi-field-name-no-text
;; A field's name that is no UTF-8.
;; errored: utf-8
(func (export "check") (result i32)
  (i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 4))
  (i32.store (i32.const 2048) (i32.const -1))
  (call $fields (i32.const 1024) (i32.const 1)) (call $healthy))

;;= abi-field-name-that-breaks-lines
;; A field's name that would forge a line of the metrics: it is dropped.
;; success: 
(data (i32.const 2048) "x\22} 1\0aprobelet_pods 0")
(func (export "check") (result i32)
  (i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 21))
  (call $fields (i32.const 1024) (i32.const 1)) (call $healthy))

;;= abi-field-not-a-number
;; A field that is no number, in one of the many ways that floating-point numbers have for it.
;; success: 
(data (i32.const 2048) "lag")
(func (export "check") (result i32)
  (i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 3))
  (i32.store8 (i32.const 1032) (i32.const 1)) (i64.store (i32.const 1040) (i64.const -1))
  (call $fields (i32.const 1024) (i32.const 1)) (call $healthy))

;;= abi-realloc-out-of-bounds
;; Has the host write its answer beyond the guest's memory.
;; realloc: (return (i32.const 0x7fff0000))
;; errored: realloc return
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= abi-realloc-at-the-very-end
;; Has the host write its answer across the end of the guest's memory.
;; realloc: (return (i32.const 65535))
;; config: {"long": "enough to cross it"}
;; errored: realloc return
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= abi-realloc-misaligned
;; Has the host write an answer of 16-bit units to an odd address.
;; encoding: utf16
;; realloc: (return (i32.const 32769))
;; errored: realloc return
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= abi-realloc-traps
;; Refuses to take the host's answer.
;; realloc: (unreachable)
;; errored: panicked or aborted
(func (export "check") (result i32) (call $config (i32.const 256)) (call $healthy))

;;= abi-answer-out-of-bounds
;; Has the host write where an answer lies to beyond the guest's memory.
;; errored: out of bounds
(func (export "check") (result i32) (call $config (i32.const -8)) (call $healthy))

;;= abi-answer-misaligned
;; The same at an address where it cannot lie.
;; errored: not aligned
(func (export "check") (result i32) (call $config (i32.const 257)) (call $healthy))

;;= abi-answer-onto-the-arguments
;; Has the host write its answer over its own arguments. They have been read.
;; success: 
(func (export "check") (result i32) (call $set (i32.const 256) (i32.const 64) (i32.const 256)) (call $healthy))

;;= abi-list-out-of-bounds
;; Gives the host a list beyond its memory.
;; errored: out of bounds
(func (export "check") (result i32) (call $set (i32.const 65000) (i32.const 65536) (i32.const 256)) (call $healthy))

;;= abi-list-wraps
;; Gives the host a list that wraps.
;; errored: out of bounds
(func (export "check") (result i32) (call $set (i32.const -16) (i32.const 32) (i32.const 256)) (call $healthy))

;;= abi-list-giant
;; Gives the host 16 MiB to remember, which is refused before they are copied.
;; errored: more than … bytes
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 256)))
  (call $set (i32.const 65536) (i32.const 16777216) (i32.const 256)) (call $healthy))

;;= abi-list-too-long-to-keep
;; Gives the host 1 MiB to remember, of which the contract allows 64 KiB: the plugin is told, and goes on.
;; success: 
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 16)))
  (call $set (i32.const 65536) (i32.const 1048576) (i32.const 256))
  (if (i32.eqz (i32.load8_u (i32.const 256))) (then (unreachable)))
  (call $healthy))

;;= abi-list-again-and-again
;; Gives the host as much to remember as it may, without end: only the last is kept.
;; milliseconds: 400
;; failure: timed out after 400ms
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 1)))
  (loop $again (call $set (i32.const 32768) (i32.const 1) (i32.const 256)) (br $again)) (unreachable))

;;= abi-random-giant
;; Asks for all the random bytes there are.
;; errored: 
(func (export "check") (result i32) (call $random (i64.const -1) (i32.const 256)) (call $healthy))

;;= abi-random-large
;; Asks for 60 MiB of random bytes, more than it has memory for: the host must not make them first.
;; errored: random
(func (export "check") (result i32) (call $random (i64.const 62914560) (i32.const 256)) (call $healthy))

;;= abi-output-giant
;; Writes more at once than the stream has said it takes.
;; errored: 
(func (export "check") (result i32)
  (drop (memory.grow (i32.const 100)))
  (call $write (call $stdout) (i32.const 65536) (i32.const 6000000) (i32.const 256)) (call $healthy))

;;= abi-output-out-of-bounds
;; Writes what is not in its memory.
;; errored: out of bounds
(func (export "check") (result i32)
  (call $write (call $stdout) (i32.const 65000) (i32.const 4096) (i32.const 256)) (call $healthy))
