//! The argument vector: what the launch parameters say, never inherited.
//!
//! Called by [`crate::link`].
//!
//! Invariant: nothing but the launch parameters is ever shown.

use super::{Call, strings};
use crate::errno::Failure;
use crate::memory::Pointer;

/// `args_get`: argv as an array of pointers and a buffer of strings.
///
/// # Errors
/// A bad pointer.
pub fn get(call: &mut Call<'_>, argv: Pointer<u32>, buffer: Pointer<u8>) -> Result<(), Failure> {
    strings::put_strings(&mut call.memory, &call.instance.arguments, argv, buffer)
}

/// `args_sizes_get`: the number of arguments, and their bytes with NULs.
///
/// # Errors
/// A bad pointer.
pub fn sizes_get(call: &mut Call<'_>, count: Pointer<u32>, bytes: Pointer<u32>) -> Result<(), Failure> {
    strings::put_sizes(&mut call.memory, &call.instance.arguments, count, bytes)
}
