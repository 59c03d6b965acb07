;; The module name before Preview 1 had its own, and one function imported three times.
(module
  (import "wasi_unstable" "fd_write" (func $one (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_write" (func $two (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $three (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\04\00\00\00")
  (data (i32.const 16) "old\0a")
  (func (export "_start")
    (drop (call $one (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
    (drop (call $two (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
    (drop (call $three (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))
