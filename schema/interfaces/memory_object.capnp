@0x91176bda09bc8c6c;

# MemoryObject: a number of pages that can be read, written, mapped and shared.
#
# Served by the kernel. Mapping needs a VirtualMemory capability too, and follows this capability's methods: `read`
# permits read-only mappings, `write` permits writable ones.

interface MemoryObject @0xeab0b168f3d9e334 {
  info @0 () -> (bytes :UInt64, isSealed :Bool);
  # Size in bytes as created (the last page may be partly used; the rest reads as zeros).

  read @1 (offset :UInt64, length :UInt32) -> (bytes :Data);
  # Copies out up to 65,536 bytes. Exception "invalid argument" if the range does not lie inside.

  write @2 (offset :UInt64, bytes :Data) -> ();
  # Copies in. Exception "invalid argument" if the range does not lie inside, "failed" once sealed.

  seal @3 () -> ();
  # Makes it read-only for good. Exception "failed" while a writable mapping exists anywhere.
}
