;; Structures on a heap that the engine would have to collect.
(module
  (type $pair (struct (field i32) (field i32)))
  (func (export "_start") (drop (struct.new $pair (i32.const 1) (i32.const 2)))))
