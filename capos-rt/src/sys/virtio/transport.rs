//! The two transports behind one type.
//!
//! Called by `virtio` and, through the crate's trait, by `virtio-drivers`. Calls the crate's MMIO transport or `pci`.
//!
//! Invariant: the registers stay mapped as long as the transport; dropping it resets the device.

use core::ptr::NonNull;

use capos_schema::device_memory::DeviceMemory;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::pci::PciTransport;
use crate::capability::Cap;
use crate::clients::DeviceMemoryInfoReply;
use crate::sys::registers::Registers;

/// Bytes of the registers in front of the device's configuration: virtio 1.2, section 4.2.2.
const MMIO_HEADER_BYTES: u64 = 0x100;

enum Kind<'m> {
    Mmio(MmioTransport<'m>),
    Pci(PciTransport<'m>),
}

/// A transport, and what keeps its registers there. The fields are dropped in this order.
pub(super) struct AnyTransport<'m> {
    kind: Kind<'m>,
    /// Of the MMIO transport; the other has its own.
    _registers: Option<Registers<'m>>,
    _object: Cap<DeviceMemory>,
}

impl<'m> AnyTransport<'m> {
    /// `None` if there are no registers of a virtio device at the place.
    pub(super) fn over_mmio(
        registers: Registers<'m>,
        object: Cap<DeviceMemory>,
        layout: &DeviceMemoryInfoReply,
    ) -> Option<AnyTransport<'m>> {
        let bytes = MMIO_HEADER_BYTES + u64::from(layout.configuration_bytes);
        let is_aligned = layout.registers.is_multiple_of(4);
        let start = registers.range(layout.registers.into(), bytes).filter(|_| is_aligned)?;
        // SAFETY: mapped registers, aligned, with the configuration behind them; they stay mapped as long as the transport,
        // which is dropped before them, and nothing else uses them.
        let transport = unsafe { MmioTransport::new(NonNull::new(start)?.cast(), bytes as usize) };
        let kind = Kind::Mmio(transport.ok()?);
        Some(AnyTransport { kind, _registers: Some(registers), _object: object })
    }

    /// `None` if the structures do not lie in the registers, or the device is of no kind that the crate knows.
    pub(super) fn over_pci(
        registers: Registers<'m>,
        object: Cap<DeviceMemory>,
        layout: &DeviceMemoryInfoReply,
        kind: u32,
    ) -> Option<AnyTransport<'m>> {
        let kind = Kind::Pci(PciTransport::new(registers, layout, DeviceType::try_from(kind).ok()?)?);
        Some(AnyTransport { kind, _registers: None, _object: object })
    }
}

/// The same method of whichever it is.
macro_rules! either {
    ($self:ident, $transport:ident => $call:expr) => {
        match &$self.kind {
            Kind::Mmio($transport) => $call,
            Kind::Pci($transport) => $call,
        }
    };
    (mut $self:ident, $transport:ident => $call:expr) => {
        match &mut $self.kind {
            Kind::Mmio($transport) => $call,
            Kind::Pci($transport) => $call,
        }
    };
}

impl Transport for AnyTransport<'_> {
    fn device_type(&self) -> DeviceType {
        either!(self, transport => transport.device_type())
    }

    fn read_device_features(&mut self) -> u64 {
        either!(mut self, transport => transport.read_device_features())
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        either!(mut self, transport => transport.write_driver_features(driver_features));
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        either!(mut self, transport => transport.max_queue_size(queue))
    }

    fn notify(&mut self, queue: u16) {
        either!(mut self, transport => transport.notify(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        either!(self, transport => transport.get_status())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        either!(mut self, transport => transport.set_status(status));
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        either!(mut self, transport => transport.set_guest_page_size(guest_page_size));
    }

    fn requires_legacy_layout(&self) -> bool {
        either!(self, transport => transport.requires_legacy_layout())
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        either!(mut self, transport => transport.queue_set(queue, size, descriptors, driver_area, device_area));
    }

    fn queue_unset(&mut self, queue: u16) {
        either!(mut self, transport => transport.queue_unset(queue));
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        either!(mut self, transport => transport.queue_used(queue))
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        either!(mut self, transport => transport.ack_interrupt())
    }

    fn read_config_generation(&self) -> u32 {
        either!(self, transport => transport.read_config_generation())
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        either!(self, transport => transport.read_config_space(offset))
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        either!(mut self, transport => transport.write_config_space(offset, value))
    }
}
