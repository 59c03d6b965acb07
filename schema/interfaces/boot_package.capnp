@0x929b81ac03c5136e;

# BootPackage: the parts of the boot image.
#
# Served by the kernel; init alone holds it.

using MemoryObject = import "memory_object.capnp".MemoryObject;

interface BootPackage @0xf0a716646d744967 {
  count @0 () -> (parts :UInt32);
  # The number of parts.

  part @1 (index :UInt32) -> (name :Text, bytes :UInt64, checksum :UInt32, prepared :Bool);
  # The row of the part table: name, size, CRC-32C of the contents, and whether the part came in the boot stage's own file,
  # which nobody checks again: a part of another image is the holder's to check. Exception "invalid argument" past the end.

  open @2 (index :UInt32) -> (object :MemoryObject);
  # The contents as a sealed memory object, in place: nothing is copied. The contents are unchecked: compare the CRC-32C
  # of a part that is not prepared.
}
