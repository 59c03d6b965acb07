;; Shared memory, as programs with threads have it.
(module
  (memory 1 1 shared)
  (func (export "_start")))
