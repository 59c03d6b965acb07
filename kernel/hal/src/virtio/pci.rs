//! Virtio devices on PCI bus 0: finds them and gives them addresses where the firmware did not (qboot does not).

use super::dma::Dma;
use crate::port;
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, MemoryBarType, PciRoot,
};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ENABLED: u32 = 1 << 31;

/// Addresses that this kernel gives out: above q35's RAM (up to 0xb0000000) and its configuration space, below the
/// interrupt controllers.
const FIRST_ADDRESS: u64 = 0xe000_0000;
const ADDRESS_END: u64 = 0xfd00_0000;

/// Configuration space by I/O ports; there is one of it.
struct Ports;

fn select(function: DeviceFunction, register: u8) {
    let address = ENABLED
        | u32::from(function.bus) << 16
        | u32::from(function.device) << 11
        | u32::from(function.function) << 8
        | u32::from(register & 0xfc);
    // SAFETY: selects a register, nothing else.
    unsafe { port::write_u32(ADDRESS_PORT, address) };
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        select(function, register);
        // SAFETY: reading configuration space has no effect on memory.
        unsafe { port::read_u32(DATA_PORT) }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        select(function, register);
        // SAFETY: only used by `find`, which puts device registers at addresses where no RAM is.
        unsafe { port::write_u32(DATA_PORT, data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Ports
    }
}

/// True if the machine has a PCI bus.
pub(super) fn is_present() -> bool {
    // SAFETY: the address register of PCI, or nothing.
    unsafe { port::write_u32(ADDRESS_PORT, ENABLED) };
    // SAFETY: as above.
    unsafe { port::read_u32(ADDRESS_PORT) == ENABLED }
}

/// Calls `take` with each device.
///
/// # Safety
/// Called once, at start-up, after paging, on a machine with PCI.
pub(super) unsafe fn find(take: &mut impl FnMut(SomeTransport<'static>)) {
    let mut root = PciRoot::new(Ports);
    let mut next = FIRST_ADDRESS;
    for (function, information) in root.enumerate_bus(0) {
        if virtio_device_type(&information).is_none()
            || assign_addresses(&mut root, function, &mut next).is_none()
        {
            continue;
        }
        root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);
        if let Ok(transport) = PciTransport::new::<Dma, _>(&mut root, function) {
            take(SomeTransport::Pci(transport));
        }
    }
}

/// Gives an address below 4 GiB to each of a function's memory regions that has none. `None` if they don't fit.
fn assign_addresses(root: &mut PciRoot<Ports>, function: DeviceFunction, next: &mut u64) -> Option<()> {
    for (index, region) in root.bars(function).ok()?.into_iter().enumerate() {
        let Some(BarInfo::Memory { address_type, address, size, .. }) = region else {
            continue;
        };
        if size == 0 || (address != 0 && address + size <= 1 << 32) {
            continue;
        }
        let start = next.next_multiple_of(size);
        *next = start.checked_add(size).filter(|end| *end <= ADDRESS_END)?;
        if address_type == MemoryBarType::Width64 {
            root.set_bar_64(function, index as u8, start);
        } else {
            root.set_bar_32(function, index as u8, start as u32);
        }
    }
    Some(())
}
