;; Asks a million times for memory that it cannot have, and for none at all: each refusal is -1 and costs nothing for good,
;; neither memory of the process nor stack of the engine. The same for a table.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1 2)
  (table $t 1 10 funcref)
  (func (export "_start") (local $i i32)
    (loop $next
      (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then (call $exit (i32.const 1))))
      (if (i32.ne (memory.grow (i32.const 0)) (i32.const 1)) (then (call $exit (i32.const 2))))
      (if (i32.ne (table.grow $t (ref.null func) (i32.const 10)) (i32.const -1)) (then (call $exit (i32.const 3))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000000))))
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then (call $exit (i32.const 4))))
    (call $exit (i32.const 0))))
