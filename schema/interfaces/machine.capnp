@0x9ee5dda05369356a;

# Machine: ends the run. init alone holds it.
#
# Served by the kernel.

interface Machine @0x9fffed986f637c6d {
  finish @0 (kind :UInt16, code :UInt32, process :Text, report :Text) -> ();
  # Delivers this message to the host as the outcome of the run and powers the machine off. `kind` is an OutcomeKind of
  # capos-abi, `process` the process whose end it is. Does not return.
}
