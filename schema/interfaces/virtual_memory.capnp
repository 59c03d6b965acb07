@0xae4400b63ac7f1ca;

# VirtualMemory: the right to arrange one address space.
#
# Served by the kernel, one per process: ProcessSpawner.create returns the child's to its creator, who may grant it to the
# child. Every committed page, and the page tables, count against the process's memory limit.

using MemoryObject = import "memory_object.capnp".MemoryObject;

interface VirtualMemory @0xcae0578413b47158 {
  # Addresses and lengths are multiples of 4,096; else exception "invalid argument". So is a range that is not wholly inside
  # one reservation or mapping made here.

  reserve @0 (length :UInt64) -> (address :UInt64);
  # Sets a range of addresses aside. Costs no memory; touching it is a fault until it is committed.

  commit @1 (address :UInt64, length :UInt64) -> ();
  # Makes reserved pages usable, readable and writable: each reads as zeros and gets its frame at the first touch. Charged at
  # once: error "limit reached" past the limit, and then nothing is committed. Committing a committed page is allowed and free.

  decommit @2 (address :UInt64, length :UInt64) -> ();
  # Gives the frames back; the range stays reserved.

  unmap @3 (address :UInt64, length :UInt64) -> ();
  # Gives up a whole reservation or mapping, as it was made.

  map @4 (object :MemoryObject, offset :UInt64, length :UInt64, writable :Bool) -> (address :UInt64);
  # Maps pages of the object. Needs the object's method `read`, and `write` for a writable mapping; exception "failed" for a
  # writable mapping of a sealed object. Never executable. A writable mapping is charged to this address space's process like as
  # many committed pages, whoever pays for the object: when the capability is revoked its pages become the process's own, zeros at
  # first, and writing to them never passes the limit. One that is read only costs its page tables, and then reads as zeros.

  createObject @5 (bytes :UInt64) -> (object :MemoryObject);
  # A new object of zero bytes, charged to this address space's process.

  usage @6 () -> (committed :UInt64, limit :UInt64);
  # Bytes charged to the process, kernel structures included, and its limit.
}
