//! The PCI transport, over windows into the device's memory that ring 0 has found in its capability list.
//!
//! Called through the crate's trait. Virtio 1.2, section 4.1.4. The device has one MSI-X vector, which ring 0 has set up: number
//! 0, for every queue and for its configuration.
//!
//! Invariant: every access goes through `Registers`, which keeps it inside the mapping; one outside reads as 0.

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::clients::DeviceMemoryInfoReply;
use crate::sys::registers::Registers;

/// Fields of the common configuration structure.
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub(super) const DEVICE_FEATURE: u64 = 0x04;
    pub(super) const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub(super) const DRIVER_FEATURE: u64 = 0x0c;
    pub(super) const CONFIG_MSIX_VECTOR: u64 = 0x10;
    pub(super) const DEVICE_STATUS: u64 = 0x14;
    pub(super) const CONFIG_GENERATION: u64 = 0x15;
    pub(super) const QUEUE_SELECT: u64 = 0x16;
    pub(super) const QUEUE_SIZE: u64 = 0x18;
    pub(super) const QUEUE_MSIX_VECTOR: u64 = 0x1a;
    pub(super) const QUEUE_ENABLE: u64 = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFF: u64 = 0x1e;
    pub(super) const QUEUE_DESC: u64 = 0x20;
    pub(super) const QUEUE_DRIVER: u64 = 0x28;
    pub(super) const QUEUE_DEVICE: u64 = 0x30;
    pub(super) const BYTES: u64 = 0x38;
}

/// The device's only vector.
const VECTOR: u16 = 0;

/// A device's windows.
pub(super) struct PciTransport<'m> {
    registers: Registers<'m>,
    kind: DeviceType,
    common: u64,
    notify: u64,
    notify_bytes: u64,
    notify_multiplier: u64,
    configuration: u64,
    configuration_bytes: u64,
}

impl<'m> PciTransport<'m> {
    /// `None` if a structure does not lie in the registers.
    pub(super) fn new(
        registers: Registers<'m>,
        layout: &DeviceMemoryInfoReply,
        kind: DeviceType,
    ) -> Option<PciTransport<'m>> {
        let transport = PciTransport {
            kind,
            common: layout.registers.into(),
            notify: layout.notify.into(),
            notify_bytes: layout.notify_bytes.into(),
            notify_multiplier: layout.notify_multiplier.into(),
            configuration: layout.configuration.into(),
            configuration_bytes: layout.configuration_bytes.into(),
            registers,
        };
        let registers = &transport.registers;
        registers.range(transport.common, common::BYTES)?;
        registers.range(transport.notify, transport.notify_bytes)?;
        registers.range(transport.configuration, transport.configuration_bytes)?;
        Some(transport)
    }

    fn read_u8(&self, field: u64) -> u8 {
        self.registers.read_u8(self.common + field).unwrap_or(0)
    }

    fn read_u16(&self, field: u64) -> u16 {
        self.registers.read_u16(self.common + field).unwrap_or(0)
    }

    fn read_u32(&self, field: u64) -> u32 {
        self.registers.read_u32(self.common + field).unwrap_or(0)
    }

    fn write_u16(&mut self, field: u64, value: u16) {
        let _ = self.registers.write_u16(self.common + field, value);
    }

    fn write_u32(&mut self, field: u64, value: u32) {
        let _ = self.registers.write_u32(self.common + field, value);
    }

    fn write_address(&mut self, field: u64, address: PhysAddr) {
        self.write_u32(field, address as u32);
        self.write_u32(field + 4, (address >> 32) as u32);
    }

    fn select(&mut self, queue: u16) {
        self.write_u16(common::QUEUE_SELECT, queue);
    }

    /// The offset of `length` bytes of the device's configuration.
    fn configuration_place(&self, offset: usize, length: usize) -> Result<u64> {
        let end = offset.checked_add(length).ok_or(Error::ConfigSpaceTooSmall)? as u64;
        let is_inside = end <= self.configuration_bytes;
        is_inside.then_some(self.configuration + offset as u64).ok_or(Error::ConfigSpaceTooSmall)
    }
}

impl Transport for PciTransport<'_> {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        self.write_u32(common::DEVICE_FEATURE_SELECT, 0);
        let low = u64::from(self.read_u32(common::DEVICE_FEATURE));
        self.write_u32(common::DEVICE_FEATURE_SELECT, 1);
        low | u64::from(self.read_u32(common::DEVICE_FEATURE)) << 32
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.write_u32(common::DRIVER_FEATURE_SELECT, 0);
        self.write_u32(common::DRIVER_FEATURE, driver_features as u32);
        self.write_u32(common::DRIVER_FEATURE_SELECT, 1);
        self.write_u32(common::DRIVER_FEATURE, (driver_features >> 32) as u32);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.select(queue);
        self.read_u16(common::QUEUE_SIZE).into()
    }

    fn notify(&mut self, queue: u16) {
        self.select(queue);
        let offset = u64::from(self.read_u16(common::QUEUE_NOTIFY_OFF)) * self.notify_multiplier;
        if offset + 2 <= self.notify_bytes {
            let _ = self.registers.write_u16(self.notify + offset, queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.read_u8(common::DEVICE_STATUS).into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let _ = self.registers.write_u8(self.common + common::DEVICE_STATUS, status.bits() as u8);
        if status.contains(DeviceStatus::DRIVER) {
            // A reset has taken the vector away.
            self.write_u16(common::CONFIG_MSIX_VECTOR, VECTOR);
        }
    }

    fn set_guest_page_size(&mut self, _guest_page_size: u32) {
        // A matter of the legacy interface.
    }

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.select(queue);
        self.write_u16(common::QUEUE_SIZE, size as u16);
        self.write_u16(common::QUEUE_MSIX_VECTOR, VECTOR);
        self.write_address(common::QUEUE_DESC, descriptors);
        self.write_address(common::QUEUE_DRIVER, driver_area);
        self.write_address(common::QUEUE_DEVICE, device_area);
        self.write_u16(common::QUEUE_ENABLE, 1);
    }

    fn queue_unset(&mut self, _queue: u16) {
        // A queue of this transport goes with a reset of the device only.
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.select(queue);
        self.read_u16(common::QUEUE_ENABLE) == 1
    }

    /// An interrupt by message has no status: it may be either.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::all()
    }

    fn read_config_generation(&self) -> u32 {
        self.read_u8(common::CONFIG_GENERATION).into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let place = self.configuration_place(offset, size_of::<T>())?;
        let mut value = T::new_zeroed();
        for (index, byte) in value.as_mut_bytes().iter_mut().enumerate() {
            *byte = self.registers.read_u8(place + index as u64).ok_or(Error::ConfigSpaceTooSmall)?;
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let place = self.configuration_place(offset, size_of::<T>())?;
        for (index, byte) in value.as_bytes().iter().enumerate() {
            self.registers.write_u8(place + index as u64, *byte).ok_or(Error::ConfigSpaceTooSmall)?;
        }
        Ok(())
    }
}

impl Drop for PciTransport<'_> {
    fn drop(&mut self) {
        self.set_status(DeviceStatus::empty());
    }
}
