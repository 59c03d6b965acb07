@0xc0e11ed59a558e32;

# Devices: what the machine has.
#
# Served by the kernel; init alone holds it. Devices that ring 0 drives itself are not in it, nor is one whose registers lie in a
# page with another device's.

using Device = import "device.capnp".Device;

interface Devices @0xb45e1fc9df4a26cf {
  count @0 () -> (devices :UInt32);
  # The number of devices.

  device @1 (index :UInt32) -> (kind :UInt32, device :Device);
  # A device and its kind, in the order of their addresses. Exception "invalid argument" past the end.
}
