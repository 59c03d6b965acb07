;; Writes 32 random bytes, or ends with the errno of random_get.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\20\00\00\00")
  (func (export "_start")
    (local $errno i32)
    (local.set $errno (call $random_get (i32.const 32) (i32.const 32)))
    (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
