@0xabcb8f9e59739282;

# Console: a stream of bytes that leaves the machine.
#
# Served by the kernel. init holds the root console and mints one labelled console per process and stream.

interface Console @0xb3eac50469d870b5 {
  # Bytes are bytes: nothing is appended, re-encoded or cut into lines.

  write @0 (bytes :Data) -> (written :UInt32);
  # Writes all bytes (64 KiB at most) in order; completes when the device has taken them, so a slow host is back-pressure.
  # written is the number of bytes taken: always all of them.

  open @1 (name :Text, stream :Stream) -> (console :Console);
  # Mints a console whose bytes carry the process name `name` (1 to 64 bytes) to the host. Only the root console has it.

  enum Stream {
    output @0;
    error @1;
  }
}
