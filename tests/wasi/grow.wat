;; Grows its memory page by page until that is refused, and touches each page. Exits with a quarter of the pages it got,
;; which all read as zeros first.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $last i32)
    (loop $next
      (local.set $last (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))
      (if (i32.load (local.get $last)) (then unreachable))
      (i32.store (local.get $last) (memory.size))
      (br_if $next (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (loop $check
      (if (i32.ne (i32.load (local.get $last)) (i32.shr_u (i32.add (local.get $last) (i32.const 4)) (i32.const 16)))
        (then unreachable))
      (local.set $last (i32.sub (local.get $last) (i32.const 65536)))
      (br_if $check (i32.gt_s (local.get $last) (i32.const 0))))
    (call $exit (i32.shr_u (memory.size) (i32.const 2)))))
