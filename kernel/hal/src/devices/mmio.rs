//! Virtio devices at the addresses of QEMU's microvm, with the pins of its second I/O APIC.
//!
//! Invariant: a device is given out only if no other one has registers in its page. Empty slots in it do nothing.

use super::{Device, Layout, Transport, direct, is_device_range, lines};
use crate::PAGE_BYTES;

/// microvm's slots, in QEMU's `include/hw/i386/microvm.h`, on a machine with ACPI.
const FIRST_ADDRESS: u64 = 0xfeb0_0000;
const STRIDE: u64 = 512;
const SLOTS: u64 = 24;
const SLOTS_PER_PAGE: u64 = PAGE_BYTES as u64 / STRIDE;
/// The I/O APIC that has a pin for each slot.
const IO_APIC: u64 = 0xfec1_0000;

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VERSION: u64 = 4;
const VERSION_MODERN: u32 = 2;
const DEVICE_ID: u64 = 8;
const STATUS: u64 = 0x70;
const CONFIGURATION: u64 = 0x100;

/// The kind of the device in a slot; `None` for an empty one.
fn kind(slot: u64) -> Option<u32> {
    let address = direct(FIRST_ADDRESS + slot * STRIDE);
    // SAFETY: reading the identification of a transport has no effect, nor has reading where nothing is.
    let read = |register: u64| unsafe { ((address + register) as *const u32).read_volatile() };
    let kind = read(DEVICE_ID);
    (read(0) == MAGIC && read(VERSION) == VERSION_MODERN && kind != 0).then_some(kind)
}

/// Calls `take` with each device, in the order of the addresses.
///
/// # Safety
/// Called once, at start-up, after paging, on a machine that has such slots or nothing at their addresses.
pub(super) unsafe fn find(take: &mut impl FnMut(Device)) {
    // SAFETY: microvm has an I/O APIC there, or nothing is there.
    if u64::from(unsafe { lines::pins(IO_APIC) }) < SLOTS {
        return;
    }
    for first in (0..SLOTS).step_by(SLOTS_PER_PAGE as usize) {
        let mut found = (first..first + SLOTS_PER_PAGE).filter_map(|slot| Some((slot, kind(slot)?)));
        let (Some((slot, kind)), None) = (found.next(), found.next()) else { continue };
        let start = FIRST_ADDRESS + first * STRIDE;
        if !is_device_range(start, 1) {
            continue;
        }
        // SAFETY: the pin of this slot, of the I/O APIC that has so many.
        let Some(line) = (unsafe { lines::take_pin(IO_APIC, slot as u32) }) else { return };
        let registers = (slot - first) * STRIDE;
        let layout = Layout {
            registers: registers as u32,
            configuration: (registers + CONFIGURATION) as u32,
            configuration_bytes: (STRIDE - CONFIGURATION) as u32,
            ..Layout::default()
        };
        let status = start + registers + STATUS;
        let (transport, function) = (Transport::Mmio, None);
        take(Device {
            kind,
            transport,
            start,
            pages: 1,
            layout,
            status,
            function,
            line,
            is_quiet: false,
            resets: 0,
        });
    }
}
