;; The smallest command: nothing imported, nothing done. Its run proves that a module is loaded, validated, instantiated
;; and entered inside a capOS process.
(module
  (func (export "_start")))
