;; Pointers that cannot be used, one per letter of argv[1]: each must end the guest before anything is written. Exits with
;; 99 if the call came back.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ;; Vectors at 0: one that is good, one that leaves the memory by a byte, one that overflows 32 bits.
  (data (i32.const 0) "\00\01\00\00\04\00\00\00" "\ff\ff\00\00\02\00\00\00" "\01\00\00\00\ff\ff\ff\ff")
  (data (i32.const 256) "seen")
  (func $letter (result i32)
    (drop (call $args_get (i32.const 1024) (i32.const 2048)))
    (i32.sub (i32.load8_u (i32.load (i32.const 1028))) (i32.const 97)))
  (func $one (result i32)
    (block $h (block $g (block $f (block $e (block $d (block $c (block $b (block $a
      (br_table $a $b $c $d $e $f $g $h (call $letter)))
      (return (call $args_get (i32.const 65536) (i32.const 0))))
      (return (call $args_sizes_get (i32.const 0) (i32.const 2))))
      (return (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 65532))))
      (return (call $fd_fdstat_get (i32.const 1) (i32.const 65520))))
      ;; A good vector, then one that leaves the memory.
      (return (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 64))))
      (return (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 64))))
      (return (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -4))))
      (return (call $random_get (i32.const 1) (i32.const -1))))
  (func (export "_start") (drop (call $one)) (call $exit (i32.const 99))))
