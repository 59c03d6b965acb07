@0x8f1f44164ed3847a;

# DeviceMemory: the registers of one device.
#
# Served by the kernel; Device.open makes it. Whole pages, in which no other device has registers, mapped without caching.

using VirtualMemory = import "virtual_memory.capnp".VirtualMemory;

interface DeviceMemory @0xb76974927e1c32f1 {
  info @0 () -> (bytes :UInt64, registers :UInt32, notify :UInt32, notifyBytes :UInt32, notifyMultiplier :UInt32,
                 interruptStatus :UInt32, configuration :UInt32, configurationBytes :UInt32);
  # Bytes of a mapping, and where in it things are (virtio 1.2). Over MMIO, `registers` are those of section 4.2.2 with the
  # device's configuration behind them; notify and interruptStatus are 0. Over PCI, `registers` is the common configuration
  # structure, `notify` the notification structure with its multiplier, `interruptStatus` the ISR status.

  map @1 (space :VirtualMemory) -> (address :UInt64);
  # Maps all of it, readable and writable, into the address space of `space`, charged to that process; VirtualMemory.unmap gives it up.
  # When this capability is revoked the mapping reads as zeros, and writes do not reach the device.
}
