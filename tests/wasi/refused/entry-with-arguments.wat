;; An entry of the wrong type.
(module
  (func (export "_start") (param i32)))
