//! The monotonic clock (TSC) and the one alarm (local APIC timer, one-shot).
//!
//! Called by the kernel's timer queue. Handed out once, in [`crate::Hardware`].
//!
//! Invariant: the clock never goes backwards and starts above 0.

/// The clock and its alarm.
pub struct Clock {}

impl Clock {
    /// Nanoseconds since the kernel's start. Under `-icount shift=0` one nanosecond is one instruction.
    pub fn now(&self) -> u64 {
        crate::absent()
    }
    /// Sets the alarm to an absolute time; one in the past goes off at once; `None` switches it off. It may go off early
    /// (the hardware counts to about 4 s at most) and once although replaced: look at [`Clock::now`].
    pub fn set_alarm(&mut self, deadline: Option<u64>) {
        crate::absent()
    }
    /// Ticks of the TSC per second, for the log.
    pub fn time_stamp_frequency(&self) -> u64 {
        crate::absent()
    }
    /// How that was found out, for the log.
    pub fn calibration(&self) -> &'static str {
        crate::absent()
    }
}
