@0xbd41fcf60c4d14d3;

# DmaMemory: pages that a device can reach, in a row.
#
# Served by the kernel; Device.allocate makes it. The frames are free again only when the device has been reset, or stands still
# since: until then they are charged. Nothing keeps a device from other memory: see the caveats.

using VirtualMemory = import "virtual_memory.capnp".VirtualMemory;

interface DmaMemory @0xc9a43ab406e01686 {
  info @0 () -> (bytes :UInt64, address :UInt64);
  # Its size, and the address of its first byte as the device sees it.

  map @1 (space :VirtualMemory) -> (address :UInt64);
  # Maps all of it, readable and writable, into the address space of `space`, charged to that process like any writable
  # mapping; unmapped by VirtualMemory.unmap. When this capability is revoked the mapping reads as zeros.
}
