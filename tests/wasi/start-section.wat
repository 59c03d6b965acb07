;; A start section calls before _start does, and both entries of a module run in order.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\06\00\00\00\26\00\00\00\0b\00\00\00\31\00\00\00\06\00\00\00")
  (data (i32.const 32) "start\0ainitialize\0aentry\0a")
  (func $say (param $at i32) (drop (call $write (i32.const 1) (local.get $at) (i32.const 1) (i32.const 64))))
  (func $first (call $say (i32.const 0)))
  (start $first)
  (func (export "_initialize") (call $say (i32.const 8)))
  (func (export "_start") (call $say (i32.const 16))))
