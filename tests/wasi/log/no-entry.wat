;; Has nothing to run.
(module (func (export "main")))
