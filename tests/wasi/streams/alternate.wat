;; Writes "o" and a digit to standard output and "e" and a digit to standard error in turn, ten times, without line ends.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\02\00\00\00" "\22\00\00\00\02\00\00\00")
  (data (i32.const 32) "o0e0")
  (func (export "_start") (local $i i32)
    (loop $next
      (i32.store8 (i32.const 33) (i32.add (i32.const 48) (local.get $i)))
      (i32.store8 (i32.const 35) (i32.add (i32.const 48) (local.get $i)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
      (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 64)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))))
