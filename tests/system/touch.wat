;; Grows its memory until that is refused, touches every 4 KiB of it, and exits with an eighth of the pages that it got.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $next i32)
    (loop $page
      (i32.store (local.get $next) (i32.const 1))
      (local.set $next (i32.add (local.get $next) (i32.const 4096)))
      (br_if $page (i32.lt_u (local.get $next) (i32.shl (memory.size) (i32.const 16))))
      (br_if $page (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $exit (i32.shr_u (memory.size) (i32.const 3)))))
