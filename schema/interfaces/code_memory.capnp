@0xd8a5c6f0b1e72e93;

# CodeMemory: the right to make pages of a running process executable.
#
# Served by the kernel. A program's own code comes from the image that it was started from; any other executable page comes
# through here, and nobody can write it while it is mapped, in any process.

using MemoryObject = import "memory_object.capnp".MemoryObject;
using VirtualMemory = import "virtual_memory.capnp".VirtualMemory;

interface CodeMemory @0xa3f1d0c95b7e4862 {
  map @0 (memory :VirtualMemory, object :MemoryObject, offset :UInt64, length :UInt64) -> (address :UInt64);
  # Maps pages of a sealed object into the address space `memory`, readable and executable. Needs the object's method `read`
  # and the address space's method `map`. `offset` and `length` are multiples of 4,096 and inside the object, else exception
  # "invalid argument"; exception "failed" for an object that is not sealed. VirtualMemory.unmap gives it up. When this
  # capability or the object's is revoked the pages read as zeros, and there is no code there any more.
}
