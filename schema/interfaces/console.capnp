@0xabcb8f9e59739282;

# Console: a stream of bytes that leaves the machine.
#
# Served by the driver of the machine's console, a process. init makes one object for each process and stream, which has `write`
# alone; an object with `finish` it keeps.

interface Console @0xb3eac50469d870b5 {
  # Bytes are bytes: nothing is appended, re-encoded or cut into lines.

  write @0 (bytes :Data) -> (written :UInt32);
  # Writes all bytes (64 KiB at most) in order; completes when the device has taken them, so a slow host is back-pressure.
  # written is the number of bytes taken: always all of them. Error "disconnected" if the driver died over it: the host has then
  # shown all of the bytes, or none; and once the driver is lost for good.

  open @1 (name :Text, stream :Stream) -> (console :Console);
  # Mints a console under the name `name` (1 to 64 bytes). For a service that stands in for a console and tells its clients apart;
  # no object of the machine's console has it.

  finish @2 (kind :UInt16, code :UInt32, process :Text, report :Text) -> ();
  # Delivers the outcome of the run to the host, behind all bytes of writes that have completed and the oldest write of each
  # process that still waits: `kind` is an OutcomeKind of capos-abi, `process` the process whose end it is. init alone may.

  enum Stream {
    output @0;
    error @1;
  }
}
