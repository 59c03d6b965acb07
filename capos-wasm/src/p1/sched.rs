//! Scheduling.
//!
//! Called by [`crate::link`].
//!
//! Invariant: needs no authority, because it has no effect that another process could see.

use super::Call;
use crate::errno::Failure;

/// `sched_yield`: an instance has one thread, so there is nobody to yield to; the kernel preempts by itself.
///
/// # Errors
/// None.
pub fn yield_now(_call: &mut Call<'_>) -> Result<(), Failure> {
    Ok(())
}
