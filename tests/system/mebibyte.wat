;; Writes 1 MiB in pieces of 4 KiB; each byte is the low byte of its place.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\10\00\00\00\10\00\00")
  (func (export "_start")
    (local $at i32)
    (loop $fill
      (i32.store8 offset=4096 (local.get $at) (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $at) (i32.const 4096))))
    (local.set $at (i32.const 256))
    (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
      (if (i32.ne (i32.load (i32.const 16)) (i32.const 4096)) (then (unreachable)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br_if $again (local.get $at)))))
