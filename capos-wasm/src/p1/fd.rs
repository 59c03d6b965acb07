//! Descriptors: state and output.
//!
//! Called by [`crate::link`]; calls [`crate::port::Stream`].
//!
//! Invariant: the bytes of one call go out in order, as one message if they fit in one; an unknown or ungranted descriptor
//! is `EBADF`.

use alloc::vec::Vec;

use super::Call;
use crate::errno::{Errno, Failure};
use crate::memory::{Claim, Fd, Fdstat, GuestMemory, Pointer, Vector};
use crate::port::{CHUNK_BYTES_MAX, PortError, Stream};

/// The type `rights`, bit `fd_write`.
const RIGHT_WRITE: u64 = 1 << 6;
/// The type `filetype`, `unknown`: a stream that is no terminal.
const FILE_TYPE_UNKNOWN: u8 = 0;

/// `fd_close`: gives the descriptor up.
///
/// # Errors
/// `EBADF`.
pub fn close(call: &mut Call<'_>, fd: Fd) -> Result<(), Failure> {
    Ok(call.instance.descriptors.close(fd)?)
}

/// `fd_fdstat_get`: what the descriptor is and what may be done with it.
///
/// # Errors
/// `EBADF`; a bad pointer.
pub fn fdstat_get(call: &mut Call<'_>, fd: Fd, stat: Pointer<Fdstat>) -> Result<(), Failure> {
    call.instance.descriptors.stream(fd)?;
    let target = call.memory.claim(stat, 1)?;
    let stat = Fdstat {
        file_type: FILE_TYPE_UNKNOWN,
        flags: 0,
        rights_base: RIGHT_WRITE,
        rights_inheriting: RIGHT_WRITE,
    };
    call.memory.put(target, 0, &stat);
    Ok(())
}

/// `fd_prestat_get`: the preopened directory at this number; there is none.
///
/// # Errors
/// Always `EBADF`, which ends a guest's scan for preopened directories.
pub fn prestat_get(_call: &mut Call<'_>, _fd: Fd, _prestat: Pointer<u32>) -> Result<(), Failure> {
    Err(Errno::Badf.into())
}

/// `fd_write`: writes the bytes of all vectors and tells how many were taken.
///
/// # Errors
/// `EBADF`; `EINVAL` if the lengths sum up to more than 32 bits; a bad pointer; what the stream refuses before it has taken a
/// byte. Later refusals are told by the next call.
pub fn write(
    call: &mut Call<'_>,
    fd: Fd,
    vectors: Pointer<Vector>,
    count: u32,
    written: Pointer<u32>,
) -> Result<(), Failure> {
    let stream = call.instance.descriptors.stream(fd)?;
    let vectors = call.memory.claim(vectors, count)?;
    let written = call.memory.claim(written, 1)?;
    let plan = Plan::new(&call.memory, vectors)?;
    let taken = match plan.only {
        Some(only) => send(stream, call.memory.bytes(only), 0)?.0,
        None => gather(stream, &call.memory, vectors, &mut call.instance.gather)?,
    };
    call.memory.put(written, 0, &taken);
    Ok(())
}

/// What a look at all vectors showed.
struct Plan {
    /// The only vector that is not empty, if there is one and no other: it is sent from where it lies.
    only: Option<Claim<u8>>,
}

impl Plan {
    fn new(memory: &GuestMemory<'_>, vectors: Claim<Vector>) -> Result<Plan, Failure> {
        let mut total: u32 = 0;
        let mut filled = 0;
        let mut last = None;
        for index in 0.. {
            let Some(vector) = memory.vector(vectors, index, "iovs")? else { break };
            if !vector.is_empty() {
                total = u32::try_from(vector.len())
                    .ok()
                    .and_then(|length| total.checked_add(length))
                    .ok_or(Errno::Inval)?;
                filled += 1;
                last = Some(vector);
            }
        }
        Ok(Plan { only: if filled == 1 { last } else { None } })
    }
}

/// Sends the vectors one behind the other, copied together into messages as large as they may be.
fn gather(
    stream: &mut dyn Stream,
    memory: &GuestMemory<'_>,
    vectors: Claim<Vector>,
    buffer: &mut Vec<u8>,
) -> Result<u32, Failure> {
    buffer.clear();
    let mut taken = 0;
    for index in 0.. {
        let Some(vector) = memory.vector(vectors, index, "iovs")? else { break };
        let mut offset = 0;
        while offset < vector.len() {
            let piece = vector.part(offset, CHUNK_BYTES_MAX - buffer.len());
            buffer.try_reserve(piece.len()).map_err(|_| Errno::Nomem)?;
            buffer.extend_from_slice(memory.bytes(piece));
            offset += piece.len();
            if buffer.len() == CHUNK_BYTES_MAX {
                let (now, whole) = send(stream, buffer, taken)?;
                taken = now;
                buffer.clear();
                if !whole {
                    return Ok(taken);
                }
            }
        }
    }
    Ok(send(stream, buffer, taken)?.0)
}

/// Sends `bytes`, one message per chunk, after `taken` bytes of the same call; returns all bytes taken so far, and whether
/// these were taken wholly. A refusal counts only while nothing was taken.
fn send(stream: &mut dyn Stream, bytes: &[u8], taken: u32) -> Result<(u32, bool), Failure> {
    let mut taken = taken;
    for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
        match stream.write(chunk) {
            Ok(count) if count == 0 || count > chunk.len() => {
                return Err(Failure::Impossible("a write that took no bytes, or more than it was given"));
            }
            Ok(count) => {
                // No overflow: the sum of all lengths was checked.
                taken += count as u32;
                if count < chunk.len() {
                    return Ok((taken, false));
                }
            }
            Err(PortError::Impossible(what)) => return Err(Failure::Impossible(what)),
            Err(_) if taken > 0 => return Ok((taken, false)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((taken, true))
}
