;; A function that no host of this kind has.
(module
  (import "env" "host_print" (func (param i32)))
  (func (export "_start")))
