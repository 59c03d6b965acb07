;; Writes its argument, two digits, as a line, and exits with that number.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $digit (param $at i32) (result i32)
    (i32.sub (i32.load8_u (i32.add (i32.load (i32.const 20)) (local.get $at))) (i32.const 48)))
  (func (export "_start")
    (if (call $args_get (i32.const 16) (i32.const 256)) (then (unreachable)))
    ;; The byte behind the argument is its NUL.
    (i32.store8 offset=2 (i32.load (i32.const 20)) (i32.const 10))
    (i32.store (i32.const 0) (i32.load (i32.const 20)))
    (i32.store (i32.const 4) (i32.const 3))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $exit (i32.add (i32.mul (call $digit (i32.const 0)) (i32.const 10)) (call $digit (i32.const 1))))))
