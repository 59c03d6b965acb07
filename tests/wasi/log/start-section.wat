;; Empty but for a start section that traps before the entry is reached.
(module (func $first unreachable) (start $first) (func (export "_start")))
