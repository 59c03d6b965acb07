;; Needs more memory from the start than its manifest permits.
(module (memory 17) (func (export "_start")))
