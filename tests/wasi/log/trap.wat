;; Reaches its entry and traps.
(module (func (export "_start") unreachable))
