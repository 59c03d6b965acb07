//! Random bytes, if the instance holds a source.
//!
//! Called by [`crate::link`]; calls [`crate::port::Random`].
//!
//! Invariant: no source, no bytes: `ENOSYS`. A guest never sees bytes that a source did not give.

use super::Call;
use crate::errno::{Errno, Failure};
use crate::memory::Pointer;
use crate::port::CHUNK_BYTES_MAX;

/// `random_get`: fills the buffer, one message per chunk.
///
/// # Errors
/// `ENOSYS` without a grant; a bad pointer; what the source refuses. The buffer is then zeros.
pub fn get(call: &mut Call<'_>, buffer: Pointer<u8>, length: u32) -> Result<(), Failure> {
    let random = call.instance.random.as_deref_mut().ok_or(Errno::Nosys)?;
    let target = call.memory.claim(buffer, length)?;
    let bytes = call.memory.bytes_mut(target);
    let result = bytes.chunks_mut(CHUNK_BYTES_MAX).try_for_each(|chunk| random.fill(chunk));
    if result.is_err() {
        bytes.fill(0);
    }
    Ok(result?)
}
