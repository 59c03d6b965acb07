//! The monotonic clock (TSC) and the one alarm (local APIC timer, one-shot).
//!
//! Called by the kernel's timer queue. Handed out once, in [`crate::Hardware`].
//!
//! Invariant: the clock never goes backwards and starts above 0.

mod calibration;

use crate::local_apic;
use calibration::{Measurement, Rates, Start};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
/// The longest that the alarm is set for in ticks of the timer: what a 32-bit count of a 4 GHz timer can hold, with room. For
/// longer, ticks are coarse.
const FINE_MAX: u64 = NANOSECONDS_PER_SECOND;
/// The longest that the alarm is set for: the same in coarse ticks.
const ALARM_MAX: u64 = 120 * NANOSECONDS_PER_SECOND;
const _: () = assert!(ALARM_MAX <= FINE_MAX * local_apic::COARSE as u64);

/// The clock and its alarm.
#[derive(Debug)]
pub struct Clock {
    /// TSC at the time `base`.
    start: u64,
    /// Nanoseconds.
    base: u64,
    /// Nanoseconds per tick, times 2^32.
    scale: u64,
    /// Ticks of the timer per nanosecond, times 2^32, rounded up.
    timer_scale: u64,
    rates: Rates,
    /// Until [`Clock::settle`]: the measurement that is under way.
    measurement: Option<Measurement>,
    /// The time for which the timer was set last, if it is set.
    alarm: Option<u64>,
}

/// True from when the timer is set until it goes off.
static IS_ARMED: AtomicBool = AtomicBool::new(false);

/// Called for each interrupt of the timer.
pub(crate) fn alarm_went_off() {
    IS_ARMED.store(false, Ordering::Relaxed);
}

/// The time-stamp counter.
pub(crate) fn ticks() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: ring 0 may always read the counter; the fence keeps it from being read early.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Nanoseconds per tick of the TSC, times 2^32.
fn scale(rates: Rates) -> u64 {
    ((u128::from(NANOSECONDS_PER_SECOND) << 32) / u128::from(rates.time_stamp)) as u64
}

/// Ticks of the timer per nanosecond, times 2^32: rounded up, so that the alarm does not go off too early.
fn timer_scale(rates: Rates) -> u64 {
    (u128::from(rates.timer) << 32).div_ceil(u128::from(NANOSECONDS_PER_SECOND)) as u64
}

impl Clock {
    /// Finds out how fast the counters run, or begins to; [`Clock::settle`] ends that.
    ///
    /// # Safety
    /// Called once, at start-up, after the local APIC is initialized, with interrupts off.
    pub(crate) unsafe fn new() -> Clock {
        // SAFETY: the caller's promise.
        let (rates, measurement) = match unsafe { calibration::begin() } {
            Start::Known(rates) => (rates, None),
            Start::Measuring(measurement) => (measurement.estimate(), Some(measurement)),
        };
        let (scale, timer_scale) = (scale(rates), timer_scale(rates));
        Clock { start: ticks(), base: 1, scale, timer_scale, rates, measurement, alarm: None }
    }

    /// Ends the measurement of the counters, if one is under way: waits for as long as it has to last yet. Nanoseconds that
    /// were counted before are an estimate. Called before the first process runs; setting the alarm does it otherwise.
    pub fn settle(&mut self) {
        if let Some(measurement) = self.measurement.take() {
            self.rates = measurement.finish();
            self.base = self.now();
            self.start = ticks();
            self.scale = scale(self.rates);
            self.timer_scale = timer_scale(self.rates);
        }
    }

    /// Nanoseconds since the kernel's start. Under `-icount shift=0` one nanosecond is one instruction.
    pub fn now(&self) -> u64 {
        let ticks = ticks().saturating_sub(self.start);
        self.base + ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64
    }

    /// Sets the alarm to an absolute time; one in the past goes off at once; `None` switches it off. It may go off
    /// early (it is never set for more than two minutes) and once although replaced: look at [`Clock::now`].
    pub fn set_alarm(&mut self, deadline: Option<u64>) {
        self.settle();
        let now = self.now();
        let alarm = deadline.map(|deadline| deadline.clamp(now, now.saturating_add(ALARM_MAX)));
        // What is set already needs no access to the device.
        let is_armed = IS_ARMED.load(Ordering::Relaxed);
        if alarm == self.alarm && alarm.is_some() == is_armed {
            return;
        }
        self.alarm = alarm;
        IS_ARMED.store(alarm.is_some(), Ordering::Relaxed);
        let Some(alarm) = alarm else {
            local_apic::start_timer(0);
            return;
        };
        let length = alarm - now;
        let ticks = (u128::from(length) * u128::from(self.timer_scale)).div_ceil(1 << 32) as u64;
        let held = |ticks: u64| ticks.clamp(1, u64::from(u32::MAX)) as u32;
        if length <= FINE_MAX {
            local_apic::start_timer(held(ticks));
        } else {
            local_apic::start_coarse_timer(held(ticks.div_ceil(u64::from(local_apic::COARSE))));
        }
    }

    /// Ticks of the TSC per second, for the log.
    pub fn time_stamp_frequency(&self) -> u64 {
        self.rates.time_stamp
    }

    /// How that was found out, for the log.
    pub fn calibration(&self) -> &'static str {
        self.rates.source
    }
}
