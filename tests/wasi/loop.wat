;; Ten million rounds of a loop, then the sum of them: what an engine without tail dispatch takes long for, or dies of.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func (export "_start") (local $i i32) (local $sum i64)
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10000000))))
    (call $exit (i32.wrap_i64 (i64.rem_u (local.get $sum) (i64.const 101))))))
