;; Ten writes of one MiB each, of lines of 16 bytes; each write must be taken whole.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 17)
  (data (i32.const 0) "\00\00\01\00\00\00\10\00")
  (data (i32.const 65536) "0123456789abcde\0a")
  (func (export "_start") (local $i i32)
    ;; Doubled 16 times: 16 bytes become one MiB.
    (local.set $i (i32.const 16))
    (loop $double
      (memory.copy (i32.add (i32.const 65536) (local.get $i)) (i32.const 65536) (local.get $i))
      (local.set $i (i32.shl (local.get $i) (i32.const 1)))
      (br_if $double (i32.lt_u (local.get $i) (i32.const 1048576))))
    (local.set $i (i32.const 0))
    (loop $next
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)) (then (call $exit (i32.const 1))))
      (if (i32.ne (i32.load (i32.const 64)) (i32.const 1048576)) (then (call $exit (i32.const 2))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))))
