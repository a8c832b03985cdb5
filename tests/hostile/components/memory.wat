;; Taking memory: the guest's own, and the host's through it.

;;= memory-in-steps
;; Takes page after page until there is no more, and then gives up.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(func (export "check") (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (unreachable))

;;= memory-refused-and-survived
;; Takes all there is, and is content with it: the limit holds, and the check is as good as any.
;; success:
(func (export "check") (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (call $healthy))

;;= memory-all-of-it-written
;; Takes nearly all it may have and writes to each page, so that it is really there.
;; success:
(func (export "check") (result i32) (local $page i32)
  (drop (memory.grow (i32.const 500)))
  (local.set $page (memory.size))
  (loop $next
    (local.set $page (i32.sub (local.get $page) (i32.const 1)))
    (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
    (br_if $next (local.get $page)))
  (call $healthy))

;;= memory-at-once
;; Asks for 4 GiB in one go.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(func (export "check") (result i32)
  (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))
  (call $healthy))

;;= memory-beyond-what-was-granted
;; Its manifest grants a mebibyte; it wants two.
;; limits: {"memory": 1048576}
;; errored: needed more than its 1048576 bytes of memory (limits.memory)
(func (export "check") (result i32)
  (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then (unreachable)))
  (call $healthy))

;;= memory-from-the-start
;; Is born with 64 MiB.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(memory $large 1024)
(func (export "check") (result i32) (call $healthy))

;;= memory-of-four-gibibytes-from-the-start
;; Is born with all the memory that 32 bits can name.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(memory $large 65536)
(func (export "check") (result i32) (call $healthy))

;;= memories-each-within-the-limit
;; Several modules, each with a memory that is allowed and which together are not.
;; shape: whole
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(component
  (core module $part (memory 160))
  (core instance (instantiate $part))
  (core instance (instantiate $part))
  (core instance (instantiate $part))
  (core instance (instantiate $part))
  (core module $attack (func (export "run") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))
  (func $run (result (result)) (canon lift (core func $attack "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;;= memories-in-one-module
;; Several memories in one module, which no toolchain makes: there is no room for them in an instance.
;; refused: memories
(memory $one 1)
(memory $two 1)
(func (export "check") (result i32) (call $healthy))

;;= memories-grown-in-turn
;; Two memories, grown by turns until there is no more.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(memory $other 1)
(func (export "check") (result i32)
  (loop $more
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (if (i32.eq (memory.grow $other (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (br $more))
  (unreachable))

;;= memories-too-many
;; More memories than any toolchain makes.
;; refused: memories
(memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)
(func (export "check") (result i32) (call $healthy))

;;= memory-of-64-bits
;; A memory with addresses of 64 bits, grown by more than any machine has.
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(memory $wide i64 1)
(func (export "check") (result i32)
  (if (i64.eq (memory.grow $wide (i64.const 0x100000000)) (i64.const -1)) (then (unreachable)))
  (call $healthy))

;;= memory-of-64-bits-from-the-start
;; Is born with 2 to the 60th bytes.
;; refused: memory
(memory $wide i64 0x100000000000)
(func (export "check") (result i32) (call $healthy))

;;= memory-shared-between-threads
;; Shared memory would let a guest wait in the kernel, where neither fuel nor the clock reaches it.
;; refused: shared
(memory $shared 1 1 shared)
(func (export "check") (result i32)
  (drop (memory.atomic.wait32 $shared (i32.const 0) (i32.const 0) (i64.const -1))) (call $healthy))

;;= memory-that-is-not-shared-is-waited-for
;; The instruction that would wait for another thread, on a memory that has none.
;; refused: damaged or uses what this engine does not support
(func (export "check") (result i32)
  (drop (memory.atomic.wait32 $memory (i32.const 0) (i32.const 0) (i64.const -1))) (call $healthy))

;;= memory-with-pages-of-a-byte
;; Pages of another size than the engine reckons with.
;; refused: page
(memory $bytes 1 (pagesize 1))
(func (export "check") (result i32) (call $healthy))

;;= memory-by-host-answers
;; Has the host put the same answer into new memory again and again.
;; config: {"padding": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}
;; errored: needed more than its 33554432 bytes of memory (limits.memory)
(func (export "check") (result i32) (loop $again (call $config (i32.const 256)) (br $again)) (unreachable))

;;= memory-collected
;; Objects that the host would have to collect: no engine of ours knows them.
;; refused: gc
(type $point (struct (field i32)))
(func (export "check") (result i32) (drop (struct.new $point (i32.const 1))) (call $healthy))

;;= memory-read-beyond-its-end
;; Reads behind its memory, where the next run's may lie.
;; errored: out of bounds memory access
(func (export "check") (result i32) (drop (i32.load (i32.const -8))) (call $healthy))

;;= memory-read-far-beyond-its-end
;; The same with an offset on top, beyond what 32 bits can name.
;; errored: out of bounds memory access
(func (export "check") (result i32) (drop (i64.load offset=4294967295 (i32.const -1))) (call $healthy))

;;= memory-is-new-each-time
;; Looks whether anything of another run's secrets is left: none is.
;; success:
(func (export "check") (result i32) (local $at i32)
  (drop (memory.grow (i32.const 256)))
  (local.set $at (i32.const 65536))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
    (i64.store (local.get $at) (i64.const 0x5ec2e75ec2e7))
    (local.set $at (i32.add (local.get $at) (i32.const 4096)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 16777216))))
  (call $healthy))
