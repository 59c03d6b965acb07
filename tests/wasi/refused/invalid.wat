;; A function that leaves a value behind.
(module
  (func (export "_start") i32.const 1))
