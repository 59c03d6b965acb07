//! The processor itself: features, control registers, idling.
//!
//! Called by the scheduler (idle) and by the log (features).

use crate::user::Event;

/// What the processor has and this kernel has switched on or uses.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Ring 0 cannot execute user pages.
    pub smep: bool,
    /// Ring 0 cannot access user pages.
    pub smap: bool,
    /// Ring 3 cannot read descriptor-table registers.
    pub umip: bool,
    /// RDRAND is there.
    pub rdrand: bool,
    /// RDSEED is there.
    pub rdseed: bool,
    /// The TSC runs at a constant rate in all power states.
    pub invariant_tsc: bool,
    /// Runs under a hypervisor or emulator.
    pub hypervisor: bool,
}

/// The features of this processor.
pub fn features() -> Features {
    crate::absent()
}

/// Waits with interrupts on until one arrives. Returns at once if one is pending.
pub fn idle() -> Event {
    crate::absent()
}
