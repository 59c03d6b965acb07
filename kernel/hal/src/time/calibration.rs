//! How fast the TSC and the local APIC's timer run.
//!
//! Called by [`super::Clock`]. The processor or the hypervisor says it (CPUID); else the timer's rate is known (1 GHz in
//! QEMU's emulation and in KVM, both documented by their sources), or measured against the 8254 timer, and the TSC is
//! measured against the timer, while the kernel does the rest of its start-up.
//!
//! Invariant: rates are above 0; a measurement uses the tightest of several readings at either end, so a host that is
//! interrupted between two readings does not spoil it, and lasts until what these leave open is a small enough part.

use super::ticks;
use crate::{local_apic, port};
use core::arch::x86_64::__cpuid;
use core::hint::spin_loop;

/// What QEMU's and KVM's local APIC count per second when dividing by 1.
const EMULATED_TIMER: u64 = 1_000_000_000;
/// A measurement of the TSC lasts this many times as long as the readings at its ends leave open: 0.02 %.
const PRECISION: u64 = 5_000;
/// Timer ticks after which a measurement ends in any case: 5 ms of an emulated timer.
const MEASURED_TICKS_MAX: u32 = 5_000_000;
/// Timer ticks after which the rate of the TSC can be estimated.
const ESTIMATED_TICKS: u32 = 1_000;
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

/// What is known when the kernel starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// All of it.
    Known(Rates),
    /// How fast the timer runs; a measurement of the TSC has begun.
    Measuring(Measurement),
}

/// A measurement that has begun. Nobody sets the timer before [`Measurement::finish`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    timer: u64,
    first: Reading,
}

/// The TSC and the timer's ticks left at the same moment, as nearly as possible.
#[derive(Clone, Copy, Debug)]
struct Reading {
    time_stamp: u64,
    left: u32,
    /// Ticks of the TSC between which the timer was read.
    open: u64,
}

/// Finds the rates, or begins to.
///
/// # Safety
/// Called once at start-up, after the local APIC is initialized, with interrupts off.
pub(super) unsafe fn begin() -> Start {
    if let Some(rates) = from_hypervisor() {
        return Start::Known(rates);
    }
    let timer = if is_emulated_timer() { EMULATED_TIMER } else { measure_timer() };
    if let Some(time_stamp) = from_processor() {
        return Start::Known(Rates { time_stamp, timer, source: "CPUID leaf 0x15" });
    }
    local_apic::start_timer(u32::MAX);
    Start::Measuring(Measurement { timer, first: Reading::take() })
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

impl Reading {
    fn take() -> Reading {
        let mut best = Reading { time_stamp: 0, left: 0, open: u64::MAX };
        for _ in 0..READINGS {
            let before = ticks();
            let left = local_apic::timer_left();
            let open = ticks() - before;
            if open < best.open {
                best = Reading { time_stamp: before + open / 2, left, open };
            }
        }
        best
    }
}

impl Measurement {
    /// The rates as they look after a moment: good enough for a deadline of the start-up.
    pub(super) fn estimate(&self) -> Rates {
        loop {
            let reading = Reading::take();
            if self.first.left - reading.left >= ESTIMATED_TICKS {
                return self.rates(reading);
            }
        }
    }

    /// Waits for as long as the measurement has to last yet, and stops the timer.
    pub(super) fn finish(self) -> Rates {
        let last = loop {
            let reading = Reading::take();
            let is_precise =
                (self.first.open + reading.open) * PRECISION <= reading.time_stamp - self.first.time_stamp;
            if is_precise || self.first.left - reading.left >= MEASURED_TICKS_MAX {
                break reading;
            }
            spin_loop();
        };
        local_apic::start_timer(0);
        self.rates(last)
    }

    fn rates(&self, last: Reading) -> Rates {
        let elapsed = u128::from(self.first.left - last.left).max(1);
        let ticks = u128::from(last.time_stamp - self.first.time_stamp);
        let time_stamp = ((ticks * u128::from(self.timer) / elapsed) as u64).max(1);
        Rates { time_stamp, timer: self.timer, source: "measured against the APIC timer" }
    }
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
