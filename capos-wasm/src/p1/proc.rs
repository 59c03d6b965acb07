//! The end of the process.
//!
//! Called by [`crate::link`].
//!
//! Invariant: the exit code is data: all 32 bits of it.

use super::Call;
use crate::errno::Failure;

/// `proc_exit`: ends the instance with this code.
///
/// # Errors
/// Always [`Failure::Exit`].
pub fn exit(_call: &mut Call<'_>, code: u32) -> Result<(), Failure> {
    Err(Failure::Exit(code))
}
