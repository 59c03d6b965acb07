;; Writes each of the 256 byte values once to standard output, by four vectors of 64 bytes that come in the wrong order.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ;; 192, 128, 64, 0.
  (data (i32.const 0) "\c0\01\00\00\40\00\00\00" "\80\01\00\00\40\00\00\00" "\40\01\00\00\40\00\00\00" "\00\01\00\00\40\00\00\00")
  (func (export "_start") (local $i i32)
    (loop $next
      (i32.store8 (i32.add (i32.const 256) (local.get $i)) (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 256))))
    (if (call $write (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 64)) (then (call $exit (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 64)) (i32.const 256)) (then (call $exit (i32.const 2))))))
