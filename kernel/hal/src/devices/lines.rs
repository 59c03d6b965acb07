//! Interrupt lines of devices: a vector for each, masked whenever it has come.
//!
//! Called by the discovery, by [`super::Device`] and by the interrupt's entry.
//!
//! Invariant: a line that has interrupted is masked before the local APIC hears of its end, so no device interrupts twice
//! without an unmasking in between.

use super::{DEVICES_MAX, direct};
use crate::local_apic;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The vector of line 0.
const FIRST_VECTOR: u8 = 48;

const NONE: u32 = 0;
const MESSAGE: u32 = 1;
/// Kinds above are pins of an I/O APIC.
const FIRST_PIN: u32 = 2;

/// The I/O APIC's two registers.
const SELECT: u64 = 0;
const WINDOW: u64 = 0x10;
/// Registers behind [`WINDOW`].
const VERSION: u32 = 1;
const FIRST_ENTRY: u32 = 0x10;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;
const DESTINATION_SHIFT: u32 = 24;

/// Bit 0 of an MSI-X entry's control word.
const MESSAGE_MASKED: u32 = 1;
/// Where messages to local APICs go.
const MESSAGE_ADDRESS: u32 = 0xfee0_0000;
const MESSAGE_DESTINATION_SHIFT: u32 = 12;

struct Line {
    kind: AtomicU32,
    /// Virtual address of the I/O APIC, or of the MSI-X entry.
    address: AtomicU64,
}

static LINES: [Line; DEVICES_MAX] =
    [const { Line { kind: AtomicU32::new(NONE), address: AtomicU64::new(0) } }; DEVICES_MAX];
/// Lines that are taken.
static COUNT: AtomicU32 = AtomicU32::new(0);

fn write(address: u64, value: u32) {
    // SAFETY: called with the registers of an I/O APIC or the words of an MSI-X entry, which the discovery found and
    // mapped; they name vectors of this module alone.
    unsafe { (address as *mut u32).write_volatile(value) };
}

fn read(address: u64) -> u32 {
    // SAFETY: as for `write`; reading has no effect.
    unsafe { (address as *const u32).read_volatile() }
}

/// Pins of the I/O APIC at a physical address; 0 if there is none.
///
/// # Safety
/// An I/O APIC is there, or nothing.
pub(super) unsafe fn pins(physical: u64) -> u32 {
    let address = direct(physical);
    write(address + SELECT, VERSION);
    let version = read(address + WINDOW);
    if version == 0 || version == u32::MAX { 0 } else { (version >> 16 & 0xff) + 1 }
}

/// A line for a pin of the I/O APIC at `physical`, masked; `None` if all are taken.
///
/// # Safety
/// The I/O APIC is there, and has the pin, which nothing else uses.
pub(super) unsafe fn take_pin(physical: u64, pin: u32) -> Option<usize> {
    let index = take(FIRST_PIN + pin, direct(physical))?;
    let address = direct(physical);
    write(address + SELECT, FIRST_ENTRY + 2 * pin + 1);
    write(address + WINDOW, local_apic::id() << DESTINATION_SHIFT);
    mask(index);
    Some(index)
}

/// A line for an MSI-X entry at a physical address, masked; `None` if all are taken.
///
/// # Safety
/// The first entry of an MSI-X table is there.
pub(super) unsafe fn take_message(entry: u64) -> Option<usize> {
    let address = direct(entry);
    let index = take(MESSAGE, address)?;
    mask(index);
    write(address, MESSAGE_ADDRESS | local_apic::id() << MESSAGE_DESTINATION_SHIFT);
    write(address + 4, 0);
    write(address + 8, u32::from(FIRST_VECTOR) + index as u32);
    Some(index)
}

fn take(kind: u32, address: u64) -> Option<usize> {
    let index = COUNT.load(Ordering::Relaxed) as usize;
    let line = LINES.get(index)?;
    COUNT.store(index as u32 + 1, Ordering::Relaxed);
    line.address.store(address, Ordering::Relaxed);
    line.kind.store(kind, Ordering::Relaxed);
    Some(index)
}

/// Keeps the line from interrupting.
pub(super) fn mask(index: usize) {
    set_masked(index, true);
}

/// Lets the line interrupt; at once if something is pending.
pub(super) fn unmask(index: usize) {
    set_masked(index, false);
}

fn set_masked(index: usize, is_masked: bool) {
    let Some(line) = LINES.get(index) else { return };
    let address = line.address.load(Ordering::Relaxed);
    match line.kind.load(Ordering::Relaxed) {
        NONE => {}
        MESSAGE => write(address + 12, if is_masked { MESSAGE_MASKED } else { 0 }),
        kind => {
            let entry = (u32::from(FIRST_VECTOR) + index as u32) | LEVEL;
            write(address + SELECT, FIRST_ENTRY + 2 * (kind - FIRST_PIN));
            write(address + WINDOW, if is_masked { entry | MASKED } else { entry });
        }
    }
}

/// A vector has come: masks its line and says which it is; `None` for a vector of no line.
pub(crate) fn acknowledge(vector: u8) -> Option<u8> {
    let line = vector.checked_sub(FIRST_VECTOR).filter(|line| usize::from(*line) < DEVICES_MAX)?;
    mask(line.into());
    Some(line)
}
