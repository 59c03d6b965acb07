@0x992cf09372e62716;

# Device: one device of the machine, and the right to drive it.
#
# Served by the kernel; init gets them from Devices and hands them on by manifest. A device has one driver at a time: the process
# that opened it, until that process ends or nobody holds its registers any more. Then the device is reset, its interrupt is masked,
# and only after that are the frames of its DmaMemory used for anything else.

using DeviceMemory = import "device_memory.capnp".DeviceMemory;
using DmaMemory = import "dma_memory.capnp".DmaMemory;
using Interrupt = import "interrupt.capnp".Interrupt;

interface Device @0xc7f810f039449015 {
  enum Transport {
    virtioMmio @0;
    virtioPci @1;
  }

  info @0 () -> (kind :UInt32, transport :Transport);
  # `kind` is the device type of the virtio specification: 1 network, 2 block, 3 console, 4 entropy.

  open @1 () -> (registers :DeviceMemory, interrupt :Interrupt);
  # Makes the caller the device's driver: resets the device and gives out its registers and its interrupt, which is masked until
  # it is acknowledged. Over PCI the device may access memory from now on, and its one MSI-X vector is number 0. Exception
  # "failed" if the device has a driver, or does not answer a reset.

  allocate @2 (bytes :UInt64) -> (memory :DmaMemory);
  # Memory for the device, in whole pages, zeros, charged to the caller. For the device's driver: else exception "failed".
  # Exception "invalid argument" for 0 bytes or more than 256 KiB, which is what ring 0 zeroes in one go: a device that needs more
  # is given several. Error "out of memory" if no such row of frames is free.

  reset @3 () -> ();
  # Resets the device: it touches no memory until it is set up again. For its driver: else exception "failed".
}
