;; Valid, until one byte of its body is another.
(module (func (export "_start") (drop (i32.const 1))))
