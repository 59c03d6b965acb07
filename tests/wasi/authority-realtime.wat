;; The time of day is a capability of its own, which no manifest can grant yet.
;; Calls the raw import and exits with its errno.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $call (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\08\00\00\00")
  (data (i32.const 16) "granted\0a")
  (func (export "_start") (call $exit (call $call (i32.const 0) (i64.const 0) (i32.const 64)))))
