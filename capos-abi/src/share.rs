//! Shares of the processor: the numbers that a manifest, init and the kernel have to agree on.
//!
//! Read by the kernel's run queue, by the checks of a manifest on the host, and by init. Calls nobody.
//!
//! Invariant: constants only.

use core::ops::RangeInclusive;

/// The weights of all processes of the machine together, init's included.
pub const WEIGHT_TOTAL: u32 = 1_000_000;

/// The weight of a process for which none is stated.
pub const WEIGHT_DEFAULT: u32 = 100;

/// Nanoseconds of a budget's period at least and at most: so long that renewing it costs nothing, and so short that nobody
/// waits for hours.
pub const PERIOD_NANOSECONDS: RangeInclusive<u64> = 1_000_000..=10_000_000_000;
