//! The environment: what the launch parameters say, never inherited.
//!
//! Called by [`crate::link`].
//!
//! Invariant: nothing but the launch parameters is ever shown.

use super::{Call, strings};
use crate::errno::Failure;
use crate::memory::Pointer;

/// `environ_get`: the environment as an array of pointers and a buffer of strings.
///
/// # Errors
/// A bad pointer.
pub fn get(call: &mut Call<'_>, environ: Pointer<u32>, buffer: Pointer<u8>) -> Result<(), Failure> {
    strings::put_strings(&mut call.memory, &call.instance.environment, environ, buffer)
}

/// `environ_sizes_get`: the number of entries, and their bytes with NULs.
///
/// # Errors
/// A bad pointer.
pub fn sizes_get(call: &mut Call<'_>, count: Pointer<u32>, bytes: Pointer<u32>) -> Result<(), Failure> {
    strings::put_sizes(&mut call.memory, &call.instance.environment, count, bytes)
}
