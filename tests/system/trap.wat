;; Ends at once, badly.
(module (func (export "_start") unreachable))
