//! The local APIC, by its memory-mapped registers: the timer, and the end of an interrupt.
//!
//! Called by [`crate::time`] and [`crate::interrupts`]. x2APIC is not used: TCG has none.
//!
//! Invariant: the only sources of its own that are unmasked are the timer and the spurious vector.

use crate::interrupts::{SPURIOUS_VECTOR, TIMER_VECTOR};
use crate::paging;
use crate::port;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use x86_64::registers::model_specific::Msr;

const BASE_MSR: u32 = 0x1b;
const BASE_ENABLED: u64 = 1 << 11;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const ID: u64 = 0x20;
const TASK_PRIORITY: u64 = 0x80;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const SPURIOUS_ENABLED: u32 = 1 << 8;
const LOCAL_VECTORS: [u64; 4] = [0x340, 0x350, 0x360, 0x370];
const TIMER: u64 = 0x320;
const TIMER_INITIAL: u64 = 0x380;
const TIMER_CURRENT: u64 = 0x390;
const TIMER_DIVIDE: u64 = 0x3e0;
const DIVIDE_BY_1: u32 = 0xb;
const DIVIDE_BY_128: u32 = 0xa;
const MASKED: u32 = 1 << 16;

/// How much longer a coarse tick lasts.
pub(crate) const COARSE: u32 = 128;

/// Virtual address of the registers; set once.
static REGISTERS: AtomicU64 = AtomicU64::new(0);

fn write(register: u64, value: u32) {
    let address = (REGISTERS.load(Ordering::Relaxed) + register) as *mut u32;
    // SAFETY: the registers are mapped since `initialize`, before which nothing here is called; the offsets are
    // theirs.
    unsafe { address.write_volatile(value) };
}

fn read(register: u64) -> u32 {
    let address = (REGISTERS.load(Ordering::Relaxed) + register) as *const u32;
    // SAFETY: as for `write`.
    unsafe { address.read_volatile() }
}

/// Enables the APIC and masks everything, the old interrupt controllers included.
///
/// # Safety
/// Called once at start-up, after [`paging`] is initialized and with the interrupt table loaded.
pub(crate) unsafe fn initialize() {
    let mut base = Msr::new(BASE_MSR);
    // SAFETY: every processor with long mode has this register.
    let value = unsafe { base.read() };
    // SAFETY: enabling the APIC in its memory-mapped mode does nothing by itself.
    unsafe { base.write(value | BASE_ENABLED) };
    REGISTERS.store(paging::map_device(value & BASE_ADDRESS), Ordering::Relaxed);
    for controller in [0x21, 0xa1] {
        // SAFETY: the mask register of an 8259, or nothing.
        unsafe { port::write_u8(controller, 0xff) };
    }
    write(SPURIOUS, SPURIOUS_ENABLED | u32::from(SPURIOUS_VECTOR));
    for register in LOCAL_VECTORS {
        write(register, MASKED);
    }
    write(TASK_PRIORITY, 0);
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(TIMER, u32::from(TIMER_VECTOR));
    write(TIMER_INITIAL, 0);
}

/// This processor's number, as interrupts are sent to it.
pub(crate) fn id() -> u32 {
    read(ID) >> 24
}

/// Says that the interrupt in progress has been taken care of.
pub(crate) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Starts the timer: one interrupt after `ticks`; 0 stops it.
pub(crate) fn start_timer(ticks: u32) {
    divide(DIVIDE_BY_1);
    write(TIMER_INITIAL, ticks);
}

/// The same, with ticks that last [`COARSE`] times as long.
pub(crate) fn start_coarse_timer(ticks: u32) {
    divide(DIVIDE_BY_128);
    write(TIMER_INITIAL, ticks);
}

/// Sets how fast the timer counts, if that changes: under a hypervisor each access costs an exit.
fn divide(by: u32) {
    static DIVIDED: AtomicU32 = AtomicU32::new(DIVIDE_BY_1);
    if DIVIDED.swap(by, Ordering::Relaxed) != by {
        write(TIMER_DIVIDE, by);
    }
}

/// Ticks that are left.
pub(crate) fn timer_left() -> u32 {
    read(TIMER_CURRENT)
}
