@0xd3f8a1c6e29b4075;

# EntropySink: where a random device's bytes enter the kernel's generator.
#
# Served by the kernel. init holds it and grants `feed` to the one process that drives the device.

interface EntropySink @0x9c47e5b02d6f18a3 {
  feed @0 (bytes :Data) -> ();
  # Adds 1 to 512 bytes (else exception "invalid argument"), each of which counts as 8 bits of entropy. What is fed can only add
  # to what the generator holds, never replace it.

  seeded @1 () -> ();
  # Completes once somebody has fed the generator, and it is seeded: 256 bits from counted sources are in, and reading is not
  # refused any more. One may wait at a time: exception "overloaded" for another.
}
