;; Closes standard output: what is written to it afterwards is refused, standard error is not touched.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\06\00\00\00")
  (data (i32.const 32) "still\0a")
  (func (export "_start")
    (if (call $close (i32.const 1)) (then (call $exit (i32.const 1))))
    (if (i32.ne (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)) (i32.const 8))
      (then (call $exit (i32.const 2))))
    (if (i32.ne (call $close (i32.const 1)) (i32.const 8)) (then (call $exit (i32.const 3))))
    (if (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 64)) (then (call $exit (i32.const 4))))))
