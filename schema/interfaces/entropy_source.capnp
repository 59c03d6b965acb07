@0xcfe6fda863bcc862;

# EntropySource: random bytes from the kernel's generator (ChaCha20).
#
# Served by the kernel. Keyed from RDSEED, else RDRAND, and virtio-rng; until 256 bits from a counted source are in it refuses.

interface EntropySource @0xa32652a6feebfe85 {
  read @0 (length :UInt32) -> (bytes :Data);
  # `length` random bytes, 0 to 65,536 (else exception "invalid argument"). Exception "overloaded" while the generator has
  # not been seeded by a counted source.
}
