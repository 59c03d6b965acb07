;; Writes 2 MiB in pieces of 4 KiB, or 1 MiB if it has an argument; each byte is the low byte of its place. It counts between
;; two pieces, each time to another number, so that its next one comes at any moment of somebody else's.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\10\00\00\00\10\00\00")
  (func (export "_start")
    (local $at i32) (local $left i32) (local $count i32)
    (loop $fill
      (i32.store8 offset=4096 (local.get $at) (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $at) (i32.const 4096))))
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (local.set $left (i32.div_u (i32.const 512) (i32.load (i32.const 16))))
    (loop $again
      (local.set $count (i32.and (i32.mul (local.get $left) (i32.const 7919)) (i32.const 4095)))
      (loop $spin
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br_if $spin (i32.gt_s (local.get $count) (i32.const 0))))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
      (if (i32.ne (i32.load (i32.const 16)) (i32.const 4096)) (then (unreachable)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))))
