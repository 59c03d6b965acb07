//! Devices on PCI bus 0: gives them addresses where the firmware did not (qboot does not), and finds what virtio devices
//! have in which region.
//!
//! Called at start-up, and by [`super::Device`] for what a function may do. Ring 0 alone has configuration space.
//!
//! Invariant: a function masters the bus only between `enable` and `disable`, and its MSI-X table is in no page that is given
//! out.

use super::{Device, Layout, Transport, is_device_range, lines};
use crate::PAGE_BYTES;
use crate::port;
use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, MemoryBarType, PciRoot,
};
use virtio_drivers::transport::pci::virtio_device_type;

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ENABLED: u32 = 1 << 31;

/// Addresses that this kernel gives out: above q35's RAM (up to 0xb0000000) and its configuration space, below the
/// interrupt controllers.
const FIRST_ADDRESS: u64 = 0xe000_0000;
const ADDRESS_END: u64 = 0xfd00_0000;

const CAPABILITY_VENDOR: u8 = 0x09;
const CAPABILITY_MSIX: u8 = 0x11;
/// The message control word is the upper half of an MSI-X capability's first.
const MSIX_ENABLED: u32 = 1 << 31;
const MSIX_ALL_MASKED: u32 = 1 << 30;
/// Bytes of an entry of the MSI-X table.
const MSIX_ENTRY_BYTES: u64 = 16;
/// Offset of the status in the common configuration structure.
const STATUS: u32 = 0x14;
/// Structures that a device has, by the type in their capability less 1: common, notify, interrupt status, device.
const STRUCTURES: usize = 4;

/// Configuration space by I/O ports; there is one of it.
pub(crate) struct Ports;

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
        // SAFETY: used by this module and the drivers of this crate, which put device registers at addresses where no RAM
        // is, and let a function master the bus only while its driver has it.
        unsafe { port::write_u32(DATA_PORT, data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Ports
    }
}

/// True if the machine has a PCI bus.
pub(crate) fn is_present() -> bool {
    // SAFETY: the address register of PCI, or nothing.
    unsafe { port::write_u32(ADDRESS_PORT, ENABLED) };
    // SAFETY: as above.
    unsafe { port::read_u32(ADDRESS_PORT) == ENABLED }
}

/// What a function of the bus may do.
#[derive(Debug)]
pub(super) struct Function {
    function: DeviceFunction,
    /// Its MSI-X capability.
    msix: u8,
}

impl Function {
    /// Lets it access memory and interrupt.
    pub(super) fn enable(&self) {
        self.set_messages(MSIX_ENABLED);
        self.set_command(Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE);
    }

    /// Takes that away; its registers stay.
    pub(super) fn disable(&self) {
        self.set_command(Command::MEMORY_SPACE | Command::INTERRUPT_DISABLE);
        self.set_messages(MSIX_ENABLED | MSIX_ALL_MASKED);
    }

    fn set_command(&self, command: Command) {
        PciRoot::new(Ports).set_command(self.function, command);
    }

    fn set_messages(&self, bits: u32) {
        let word = Ports.read_word(self.function, self.msix) & !(MSIX_ENABLED | MSIX_ALL_MASKED);
        Ports.write_word(self.function, self.msix, word | bits);
    }
}

/// Part of a memory region: region, offset in it, bytes.
#[derive(Clone, Copy)]
struct Part {
    region: u8,
    offset: u32,
    bytes: u32,
}

impl Part {
    fn end(&self) -> Option<u32> {
        self.offset.checked_add(self.bytes)
    }
}

/// What the capability list of a virtio device says.
#[derive(Default)]
struct Structures {
    parts: [Option<Part>; STRUCTURES],
    notify_multiplier: u32,
    msix: Option<u8>,
}

fn structures(root: &PciRoot<Ports>, function: DeviceFunction) -> Structures {
    let mut found = Structures::default();
    for capability in root.capabilities(function) {
        let word = |offset: u8| Ports.read_word(function, capability.offset.saturating_add(offset));
        match capability.id {
            CAPABILITY_MSIX => found.msix = found.msix.or(Some(capability.offset)),
            CAPABILITY_VENDOR => {
                let kind = (word(0) >> 24) as usize;
                let Some(place) = kind.checked_sub(1).and_then(|index| found.parts.get_mut(index)) else {
                    continue;
                };
                if place.is_none() {
                    *place = Some(Part { region: word(4) as u8, offset: word(8), bytes: word(12) });
                    if kind == 2 {
                        found.notify_multiplier = word(16);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Calls `take` with each virtio device whose structures lie together in one region, apart from its MSI-X table.
///
/// # Safety
/// Called once, at start-up, after paging, on a machine with PCI.
pub(super) unsafe fn find_for_drivers(take: &mut impl FnMut(Device)) {
    let mut root = PciRoot::new(Ports);
    let mut next = FIRST_ADDRESS;
    for (function, information) in PciRoot::new(Ports).enumerate_bus(0) {
        let Some(kind) = virtio_device_type(&information) else { continue };
        if assign_addresses(&mut root, function, &mut next).is_none() {
            continue;
        }
        root.set_command(function, Command::MEMORY_SPACE | Command::INTERRUPT_DISABLE);
        // SAFETY: the function has its addresses, and registers answer at them.
        if let Some(device) = unsafe { device(&mut root, function, kind as u32) } {
            take(device);
        }
    }
}

/// # Safety
/// The function is a virtio device with addresses, and nobody uses it.
unsafe fn device(root: &mut PciRoot<Ports>, function: DeviceFunction, kind: u32) -> Option<Device> {
    let found = structures(root, function);
    let [Some(common), Some(notify), Some(interrupt_status), configuration] = found.parts else {
        return None;
    };
    let parts = [Some(common), Some(notify), Some(interrupt_status), configuration];
    let mut first = u32::MAX;
    let mut end = 0;
    for part in parts.iter().flatten() {
        if part.region != common.region {
            return None;
        }
        first = first.min(part.offset);
        end = end.max(part.end()?);
    }
    let page = PAGE_BYTES as u32;
    let (first, end) = (first / page * page, end.checked_next_multiple_of(page)?);
    let (address, bytes) = root.bar_info(function, common.region).ok()??.memory_address_size()?;
    let pages = (end - first) / page;
    let start = address + u64::from(first);
    if u64::from(end) > bytes || !is_device_range(start, pages) {
        return None;
    }
    let msix = found.msix?;
    let table = message_entry(root, function, msix, common.region, first..end)?;
    // SAFETY: the first entry of the function's table.
    let line = unsafe { lines::take_message(table) }?;
    let layout = Layout {
        registers: common.offset - first,
        notify: notify.offset - first,
        notify_bytes: notify.bytes,
        notify_multiplier: found.notify_multiplier,
        interrupt_status: interrupt_status.offset - first,
        configuration: configuration.map_or(0, |part| part.offset - first),
        configuration_bytes: configuration.map_or(0, |part| part.bytes),
    };
    let status = address + u64::from(common.offset + STATUS);
    let (transport, function) = (Transport::Pci, Some(Function { function, msix }));
    let (is_quiet, resets) = (false, 0);
    Some(Device { kind, transport, start, pages, layout, status, function, line, is_quiet, resets })
}

/// Physical address of the first entry of the MSI-X table; `None` if it or the bits of pending ones share pages with the
/// bytes `taken` of `region`.
fn message_entry(
    root: &mut PciRoot<Ports>,
    function: DeviceFunction,
    msix: u8,
    region: u8,
    taken: core::ops::Range<u32>,
) -> Option<u64> {
    let entries = (Ports.read_word(function, msix) >> 16 & 0x7ff) + 1;
    let place = |register: u8, bytes: u32| {
        let word = Ports.read_word(function, msix + register);
        Part { region: (word & 7) as u8, offset: word & !7, bytes }
    };
    let table = place(4, entries * MSIX_ENTRY_BYTES as u32);
    let pending = place(8, entries.div_ceil(64) * 8);
    for part in [table, pending] {
        let is_apart = part.region != region || part.end()? <= taken.start || part.offset >= taken.end;
        if !is_apart {
            return None;
        }
    }
    let (address, bytes) = root.bar_info(function, table.region).ok()??.memory_address_size()?;
    let entry = address + u64::from(table.offset);
    let is_inside = u64::from(table.end()?) <= bytes && is_device_range(entry & !(PAGE_BYTES as u64 - 1), 1);
    is_inside.then_some(entry)
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
        let start = next.next_multiple_of(size.max(PAGE_BYTES as u64));
        *next = start.checked_add(size).filter(|end| *end <= ADDRESS_END)?;
        if address_type == MemoryBarType::Width64 {
            root.set_bar_64(function, index as u8, start);
        } else {
            root.set_bar_32(function, index as u8, start as u32);
        }
    }
    Some(())
}
