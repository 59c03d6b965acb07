//! A virtio device: opened, its features agreed on, its interrupt acknowledged.
//!
//! Called by drivers; calls the generated clients, `registers` and `dma`. Transports and queues are those of the
//! `virtio-drivers` crate, with a transport of our own over PCI: the crate's wants configuration space, which ring 0 keeps.
//!
//! Invariant: a device is reset when its value is dropped, and with it everything that it was told of.

mod pci;
pub(crate) mod queue;
mod transport;

use core::ptr::NonNull;

use capos_abi::error::{CallError, Exception};
use capos_schema::device::{Device, DeviceTransport};
use capos_schema::interrupt::Interrupt;
use capos_schema::virtual_memory::VirtualMemory;
use virtio_drivers::transport::{DeviceStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use super::dma::{self, DmaBuffer};
use super::registers::Registers;
use crate::capability::Cap;
use transport::AnyTransport;

/// The device conforms to version 1 of the specification, as all that are not "legacy" do.
const FEATURE_VERSION_1: u64 = 1 << 32;

/// A device that this process drives. One in the life of a process.
pub struct VirtioDevice<'m> {
    transport: AnyTransport<'m>,
    interrupt: Cap<Interrupt>,
}

impl<'m> VirtioDevice<'m> {
    /// Opens the device, maps its registers, and sets `dma_bytes` aside for queues and buffers: two pages for each queue
    /// and what the buffers take.
    ///
    /// # Errors
    /// What the calls say; [`Exception::Failed`] if the process has opened one before, or the device is none that
    /// `virtio-drivers` knows.
    pub fn open(
        device: &Cap<Device>,
        memory: &'m Cap<VirtualMemory>,
        dma_bytes: usize,
    ) -> Result<VirtioDevice<'m>, CallError> {
        let info = device.info()?;
        let opened = device.open()?;
        let layout = opened.registers.info()?;
        let registers = Registers::map(memory, &opened.registers)?;
        dma::start(device, memory, dma_bytes)?;
        let transport = match info.transport {
            DeviceTransport::VirtioMmio => AnyTransport::over_mmio(registers, opened.registers, &layout),
            DeviceTransport::VirtioPci => {
                AnyTransport::over_pci(registers, opened.registers, &layout, info.kind)
            }
        };
        let transport = transport.ok_or(Exception::Failed)?;
        Ok(VirtioDevice { transport, interrupt: opened.interrupt })
    }

    /// Resets the device and agrees on the features in `wanted` that it has; version 1 must be among them. Returns what was
    /// agreed on, or `None` if the device does not.
    pub fn negotiate(&mut self, wanted: u64) -> Option<u64> {
        let known = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        self.transport.set_status(DeviceStatus::empty());
        self.transport.set_status(known);
        let agreed = self.transport.read_device_features() & (wanted | FEATURE_VERSION_1);
        if agreed & FEATURE_VERSION_1 == 0 {
            return None;
        }
        self.transport.write_driver_features(agreed);
        self.transport.set_status(known | DeviceStatus::FEATURES_OK);
        self.transport.get_status().contains(DeviceStatus::FEATURES_OK).then_some(agreed)
    }

    /// Tells the device that its queues are set up.
    pub fn finish(&mut self) {
        self.transport.finish_init();
    }

    /// A byte of the device's own configuration.
    #[must_use]
    pub fn configuration_u8(&self, offset: usize) -> Option<u8> {
        self.transport.read_config_space(offset).ok()
    }

    /// Two bytes of it, at a multiple of two.
    #[must_use]
    pub fn configuration_u16(&self, offset: usize) -> Option<u16> {
        if offset.is_multiple_of(2) { self.transport.read_config_space(offset).ok() } else { None }
    }

    /// Four bytes of it, at a multiple of four.
    #[must_use]
    pub fn configuration_u32(&self, offset: usize) -> Option<u32> {
        if offset.is_multiple_of(4) { self.transport.read_config_space(offset).ok() } else { None }
    }

    /// The device's interrupt, to wait for or to bind.
    #[must_use]
    pub fn interrupt(&self) -> &Cap<Interrupt> {
        &self.interrupt
    }

    /// Takes the reason of an interrupt from the device and lets the next one through. Look at the queues behind it, not
    /// before.
    ///
    /// # Errors
    /// What the call says.
    pub fn acknowledge(&mut self) -> Result<(), CallError> {
        self.transport.ack_interrupt();
        self.interrupt.acknowledge()
    }

    /// Room for at least `bytes`, in whole pages; `None` when what was set aside is used up.
    #[must_use]
    pub fn buffer(&self, bytes: usize) -> Option<DmaBuffer> {
        DmaBuffer::new(bytes)
    }
}

/// This process, as `virtio-drivers` sees it.
struct Dma;

// SAFETY: see each function.
unsafe impl Hal for Dma {
    /// Pages for a queue, zeroed, and nobody else's; address 0 means refused.
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match DmaBuffer::new(pages.saturating_mul(dma::PAGE)) {
            Some(mut buffer) => {
                buffer.bytes_mut().fill(0);
                buffer.give_away()
            }
            None => (0, NonNull::dangling()),
        }
    }

    /// A queue's pages are not used again: the device may still know of them.
    unsafe fn dma_dealloc(_physical: PhysAddr, _address: NonNull<u8>, _pages: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_physical: PhysAddr, _size: usize) -> NonNull<u8> {
        // Only the crate's PCI transport asks, and it is not used.
        NonNull::dangling()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        // `queue` passes parts of buffers only, all of which are in the arena.
        dma::device_address(buffer.cast::<u8>().addr().get())
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
