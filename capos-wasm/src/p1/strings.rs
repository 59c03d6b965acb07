//! Lists of strings in the form in which WASI hands them over: an array of pointers, and a buffer of NUL-terminated
//! strings that they point into.
//!
//! Called by [`super::args`] and [`super::environ`].
//!
//! Invariant: both ranges are checked before a byte is written.

use alloc::vec::Vec;

use crate::errno::{Errno, Failure};
use crate::memory::{GuestMemory, Pointer};

/// Number of strings, and bytes of all of them with their NULs.
fn sizes_of(strings: &[Vec<u8>]) -> Result<(u32, u32), Failure> {
    let bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    match (u32::try_from(strings.len()), u32::try_from(bytes)) {
        (Ok(count), Ok(bytes)) => Ok((count, bytes)),
        _ => Err(Errno::Nomem.into()),
    }
}

/// Writes number and bytes.
pub(super) fn put_sizes(
    memory: &mut GuestMemory<'_>,
    strings: &[Vec<u8>],
    count: Pointer<u32>,
    bytes: Pointer<u32>,
) -> Result<(), Failure> {
    let sizes = sizes_of(strings)?;
    let count = memory.claim(count, 1)?;
    let bytes = memory.claim(bytes, 1)?;
    memory.put(count, 0, &sizes.0);
    memory.put(bytes, 0, &sizes.1);
    Ok(())
}

/// Writes pointers and strings.
pub(super) fn put_strings(
    memory: &mut GuestMemory<'_>,
    strings: &[Vec<u8>],
    pointers: Pointer<u32>,
    buffer: Pointer<u8>,
) -> Result<(), Failure> {
    let (count, bytes) = sizes_of(strings)?;
    let pointers = memory.claim(pointers, count)?;
    let target = memory.claim(buffer, bytes)?;
    let mut offset = 0;
    for (index, string) in strings.iter().enumerate() {
        // The claim on the buffer has proved that the sum fits in 32 bits, but for an end at exactly 4 GiB.
        memory.put(pointers, index, &buffer.address().wrapping_add(offset as u32));
        memory.bytes_mut(target.part(offset, string.len())).copy_from_slice(string);
        memory.bytes_mut(target.part(offset + string.len(), 1)).fill(0);
        offset += string.len() + 1;
    }
    Ok(())
}
