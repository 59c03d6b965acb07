@0x9ee5dda05369356a;

# Machine: ends the run. init alone holds it.
#
# Served by the kernel.

interface Machine @0x9fffed986f637c6d {
  finish @0 (kind :UInt16, code :UInt32, process :Text, report :Text) -> ();
  # Writes the outcome as the last line of the kernel's log and powers the machine off; it went to the host over the console before,
  # if there is one. `kind` is an OutcomeKind of capos-abi, `process` the process whose end it is. Does not return.
}
