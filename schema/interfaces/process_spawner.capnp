@0xeae83c312d0afa78;

# ProcessSpawner: the right to create processes.
#
# Served by the kernel. A child's limits are carved out of its creator's.

using Endpoint = import "endpoint.capnp".Endpoint;
using MemoryObject = import "memory_object.capnp".MemoryObject;
using Notification = import "notification.capnp".Notification;
using ProcessHandle = import "process_handle.capnp".ProcessHandle;
using VirtualMemory = import "virtual_memory.capnp".VirtualMemory;

interface ProcessSpawner @0xefef4558b150a4d2 {
  create @0 (name :Text, image :MemoryObject, memoryLimit :UInt64, stackBytes :UInt64,
             submissionEntries :UInt32, completionEntries :UInt32, areaBytes :UInt32)
      -> (process :ProcessHandle, memory :VirtualMemory);
  # Makes a process that does not run yet: its address space from the ELF `image` (sealed; static x86_64, no page both
  # writable and executable), its stack (0 = 256 KiB, at most 64 MiB) between guard pages, its rings (0 = the default of each
  # size). `name` has 1 to 64 bytes of UTF-8. `memoryLimit` is in bytes, everything that the kernel keeps for the process included.
  # Exception "invalid argument" for a refused ELF, ring layout, name or stack; error "limit reached" if the limit is more than
  # the creator has left, or too small for the image.

  createEndpoint @1 (interface :UInt64, methods :UInt64) -> (receiver :Endpoint, root :Capability);
  # Makes an endpoint, charged to the caller: its receive side, and its root object, which has the cookie 0 and the given
  # interface (not 0: exception "invalid argument") and methods. The root object lives as long as anybody holds the receive
  # side, whichever process serves it.

  createNotification @2 () -> (notification :Notification);
  # Makes a notification without set bits, charged to the caller.

  createWithin @3 (name :Text, image :MemoryObject, memoryLimit :UInt64, memoryReserve :UInt64, weight :UInt32,
                   budget :UInt64, period :UInt64, stackBytes :UInt64, submissionEntries :UInt32, completionEntries :UInt32,
                   areaBytes :UInt32) -> (process :ProcessHandle, memory :VirtualMemory);
  # As `create`, with all limits. Of `memoryLimit` so many bytes are set aside: touching a committed page inside that never
  # fails; beyond it a touch that finds no free frame ends the process as "memory". `create` sets all aside. `weight` is its share of
  # the processor, out of its creator's, which has to keep at least 1 itself; 0 for none of its own: it runs on its creator's, as
  # with `create`. With a weight it may have `budget` nanoseconds of the processor in each `period` (1 ms to 10 s); both 0 for no
  # such limit, which a creator that has one cannot give. Exception "invalid argument" for a reserve above the limit, and for a
  # budget that is no part of its period or without a weight; error "limit reached" for more than the creator has.
}
