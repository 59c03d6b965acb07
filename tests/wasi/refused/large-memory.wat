;; 2 GiB of memory from the start; its start section would trap if it were reached.
(module
  (memory 32768)
  (func $never unreachable)
  (start $never)
  (func (export "_start")))
