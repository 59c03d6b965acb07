;; Exceptions, as C++ programs have them.
(module
  (tag $problem)
  (func (export "_start") (throw $problem)))
