;; A million of each bulk operation, in a loop: none may keep a stack frame.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  (table $t 8 funcref)
  (data $d "0123456789abcdef")
  (elem $e func $none $none)
  (func $none)
  (func (export "_start") (local $i i32)
    (loop $next
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 16))
      (memory.copy (i32.const 8) (i32.const 0) (i32.const 16))
      (memory.fill (i32.const 0) (local.get $i) (i32.const 8))
      (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))
      (table.copy (i32.const 1) (i32.const 0) (i32.const 4))
      (table.fill $t (i32.const 6) (ref.null func) (i32.const 2))
      (call_indirect $t (i32.const 1))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000000))))
    ;; The last fill was with 999,999 mod 256 = 63; the text's first letter came to 8.
    (if (i32.ne (i32.load8_u (i32.const 7)) (i32.const 63)) (then (call $exit (i32.const 1))))
    (if (i32.ne (i32.load8_u (i32.const 8)) (i32.const 48)) (then (call $exit (i32.const 2))))
    (call $exit (i32.const 0))))
