//! How fast the TSC and the local APIC's timer run.
//!
//! Called once, by [`super::Clock`]. The processor or the hypervisor says it (CPUID); else the timer's rate is known
//! (1 GHz in QEMU's emulation and in KVM, both documented by their sources), or measured against the 8254 timer, and
//! the TSC is measured against the timer.
//!
//! Invariant: rates are above 0; a measurement uses the tightest of several readings at either end, so a host that is
//! interrupted between two readings does not spoil it.

use super::ticks;
use crate::{local_apic, port};
use core::arch::x86_64::__cpuid;
use core::hint::spin_loop;

/// What QEMU's and KVM's local APIC count per second when dividing by 1.
const EMULATED_TIMER: u64 = 1_000_000_000;
/// Timer ticks that a measurement of the TSC lasts: half a millisecond of an emulated timer.
const MEASURED_TICKS: u32 = 500_000;
/// Readings at either end, of which the tightest counts.
const READINGS: usize = 5;

const PIT_FREQUENCY: u64 = 1_193_182;
const PIT_COUNT: u16 = 11_932; // 10 ms
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
const PIT_GATE: u16 = 0x61;

/// Ticks per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) time_stamp: u64,
    pub(super) timer: u64,
    pub(super) source: &'static str,
}

/// Finds the rates.
///
/// # Safety
/// Called once at start-up, after the local APIC is initialized, with interrupts off.
pub(super) unsafe fn measure() -> Rates {
    if let Some(rates) = from_hypervisor() {
        return rates;
    }
    let timer = if is_emulated_timer() { EMULATED_TIMER } else { measure_timer() };
    match from_processor() {
        Some(time_stamp) => Rates { time_stamp, timer, source: "CPUID leaf 0x15" },
        None => {
            Rates { time_stamp: measure_time_stamp(timer), timer, source: "measured against the APIC timer" }
        }
    }
}

/// Leaf 0x40000010, an agreement between hypervisors: TSC and APIC timer in kHz.
fn from_hypervisor() -> Option<Rates> {
    if !crate::cpu::features().hypervisor || __cpuid(0x4000_0000).eax < 0x4000_0010 {
        return None;
    }
    let leaf = __cpuid(0x4000_0010);
    let (time_stamp, timer) = (u64::from(leaf.eax) * 1000, u64::from(leaf.ebx) * 1000);
    (time_stamp > 0 && timer > 0).then_some(Rates { time_stamp, timer, source: "CPUID leaf 0x40000010" })
}

/// Leaf 0x15: crystal frequency and its ratio to the TSC.
fn from_processor() -> Option<u64> {
    if __cpuid(0).eax < 0x15 {
        return None;
    }
    let leaf = __cpuid(0x15);
    if leaf.eax == 0 || leaf.ebx == 0 || leaf.ecx == 0 {
        return None;
    }
    Some(u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax))
}

/// True under QEMU's own emulation and under KVM.
fn is_emulated_timer() -> bool {
    if !crate::cpu::features().hypervisor {
        return false;
    }
    let leaf = __cpuid(0x4000_0000);
    let mut signature = [0; 12];
    for (bytes, register) in signature.chunks_exact_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        bytes.copy_from_slice(&register.to_le_bytes());
    }
    matches!(&signature, b"TCGTCGTCGTCG" | b"KVMKVMKVM\0\0\0")
}

/// The TSC and the timer's ticks left at the same moment, as nearly as possible.
fn read_both() -> (u64, u32) {
    let mut best = (0, 0);
    let mut tightest = u64::MAX;
    for _ in 0..READINGS {
        let before = ticks();
        let left = local_apic::timer_left();
        let after = ticks();
        if after - before < tightest {
            tightest = after - before;
            best = (before + (after - before) / 2, left);
        }
    }
    best
}

fn measure_time_stamp(timer: u64) -> u64 {
    local_apic::start_timer(u32::MAX);
    let (first_ticks, first_left) = read_both();
    while first_left - local_apic::timer_left() < MEASURED_TICKS {
        spin_loop();
    }
    let (last_ticks, last_left) = read_both();
    local_apic::start_timer(0);
    let elapsed = u128::from(first_left - last_left).max(1);
    ((u128::from(last_ticks - first_ticks) * u128::from(timer) / elapsed) as u64).max(1)
}

/// Ticks of the local APIC's timer while channel 2 of the 8254 counts down 10 ms.
fn measure_timer() -> u64 {
    let [low, high] = PIT_COUNT.to_le_bytes();
    for (port, value) in
        [(PIT_GATE, 1), (PIT_COMMAND, 0b1011_0000), (PIT_CHANNEL_2, low), (PIT_CHANNEL_2, high)]
    {
        // SAFETY: registers of the 8254 and its gate, which have no effect on memory.
        unsafe { port::write_u8(port, value) };
    }
    local_apic::start_timer(u32::MAX);
    // SAFETY: the state of the 8254's output.
    while unsafe { port::read_u8(PIT_GATE) } & 0x20 == 0 {
        spin_loop();
    }
    let elapsed = u64::from(u32::MAX - local_apic::timer_left());
    local_apic::start_timer(0);
    (elapsed * PIT_FREQUENCY / u64::from(PIT_COUNT)).max(1)
}
