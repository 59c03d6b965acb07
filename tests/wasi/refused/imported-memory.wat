;; A memory that the host would have to bring.
(module
  (import "env" "memory" (memory 1))
  (func (export "_start")))
