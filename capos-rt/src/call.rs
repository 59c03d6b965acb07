//! Calls: begin, wait, decode.
//!
//! Used by the generated clients; the public part is [`Pending`], [`Deadline`] and [`wait_any`]. Calls `sys::operation`.
//!
//! Invariant: a reply is decoded before its buffers go back; capabilities that nobody took out of it are released.

use alloc::string::String;

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_schema::interface::Interface;
use capos_schema::timer::Timer;
use capos_schema::wire::EncodeError;

use crate::capability::{Cap, IMPOSSIBLE_REPLY};
use crate::sys::lone::Lone;
use crate::sys::operation::{Finished, Operation, Sizes};
use crate::sys::thread::{self, WaitLimit};

/// Bytes that a text in a reply may have.
pub(crate) const TEXT_ROOM: usize = 2048;

/// A point in time up to which to wait, with the Timer that permits it.
#[derive(Clone, Copy, Debug)]
pub struct Deadline<'t> {
    limit: WaitLimit,
    timer: core::marker::PhantomData<&'t Cap<Timer>>,
}

impl<'t> Deadline<'t> {
    /// Wait for ever.
    pub const NEVER: Deadline<'static> =
        Deadline { limit: WaitLimit::NEVER, timer: core::marker::PhantomData };

    /// Wait until the monotonic clock shows `nanoseconds`.
    #[must_use]
    pub fn at(timer: &'t Cap<Timer>, nanoseconds: u64) -> Deadline<'t> {
        let limit = WaitLimit { deadline: nanoseconds, timer: timer.raw() };
        Deadline { limit, timer: core::marker::PhantomData }
    }

    pub(crate) fn limit(self) -> WaitLimit {
        self.limit
    }
}

/// A reply, for as long as it is decoded. Capabilities in it that nobody takes are released with it.
pub(crate) struct Reply<'r> {
    finished: &'r Finished,
}

impl<'r> Reply<'r> {
    /// The message.
    #[inline]
    pub(crate) fn message(&self) -> &'r [u8] {
        self.finished.message()
    }

    /// Takes the capability that the message's pointer names by its place in the transfer list.
    pub(crate) fn capability<T: Interface>(&self, index: Option<u32>) -> Result<Cap<T>, CallError> {
        let handle = index.and_then(|index| self.finished.take_handle(index)).ok_or(IMPOSSIBLE_REPLY)?;
        Ok(Cap::adopt(handle, true))
    }
}

/// Calls and waits: the short way if it is small and carries no capabilities, else like any other call.
#[inline(always)] // One instance for each method, made where its sizes are known.
pub(crate) fn alone<T: Interface, R>(
    cap: &Cap<T>,
    method: u16,
    sizes: Sizes,
    encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    decode: impl FnOnce(&[u8]) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let Some(mut lone) = Lone::take(sizes.parameters, sizes.results) else {
        return at_length(cap, method, (sizes.parameters, sizes.results), encode, decode);
    };
    let length = encode(lone.parameters_mut()).map_err(|_| Transport::TooLarge)?;
    decode(lone.call(cap.raw(), T::DESCRIPTION.id, method, length)?)
}

/// The long way: large messages, and calls inside another one's decoding.
#[inline(never)]
fn at_length<T: Interface, R>(
    cap: &Cap<T>,
    method: u16,
    (parameters, results): (usize, usize),
    encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    decode: impl FnOnce(&[u8]) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let sizes = Sizes { parameters, results, ..Sizes::default() };
    let call = Call::begin(cap, method, sizes, &[], encode)?;
    call.finish(Deadline::NEVER, |reply| decode(reply.message()))
}

/// A call whose reply nobody has looked at: begun, perhaps complete.
pub struct Call {
    operation: Operation,
}

impl Call {
    /// An operation that is not a call on an object, and is waited for like one.
    pub(crate) fn of(operation: Operation) -> Call {
        Call { operation }
    }

    /// Writes the parameters and submits. The kernel takes it at the next wait or [`flush`].
    #[inline]
    pub(crate) fn begin<T: Interface>(
        cap: &Cap<T>,
        method: u16,
        sizes: Sizes,
        sends: &[Handle],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<Call, CallError> {
        let mut operation = Operation::prepare(Sizes { sends: sends.len(), ..sizes })?;
        let length = encode(operation.parameters_mut()).map_err(|_| Transport::TooLarge)?;
        if !sends.is_empty() {
            operation.set_sends(sends);
        }
        operation.submit_call(cap.raw(), T::DESCRIPTION.id, method, length)?;
        Ok(Call { operation })
    }

    /// Waits, then decodes.
    #[inline]
    pub(crate) fn finish<R>(
        self,
        deadline: Deadline<'_>,
        decode: impl FnOnce(&Reply<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let finished = self.operation.finish(deadline.limit)?;
        decode(&Reply { finished: &finished })
    }

    /// True if the reply is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.operation.is_complete()
    }
}

/// A call in progress whose reply will be an `R`. Dropping it cancels the call and waits for the acknowledgement.
pub struct Pending<R> {
    call: Call,
    decode: fn(&Reply<'_>) -> Result<R, CallError>,
}

impl<R> Pending<R> {
    #[inline]
    pub(crate) fn new(call: Call, decode: fn(&Reply<'_>) -> Result<R, CallError>) -> Pending<R> {
        Pending { call, decode }
    }

    /// Waits for the reply.
    ///
    /// # Errors
    /// What the object or the transport says.
    #[inline]
    pub fn wait(self) -> Result<R, CallError> {
        self.wait_until(Deadline::NEVER)
    }

    /// Waits for the reply up to a point in time; then cancels the call.
    ///
    /// # Errors
    /// [`Transport::Cancelled`] after the deadline; [`Transport::NoTimer`] if the deadline's Timer is no longer live; what the
    /// object or the transport says.
    #[inline]
    pub fn wait_until(self, deadline: Deadline<'_>) -> Result<R, CallError> {
        self.call.finish(deadline, self.decode)
    }

    /// The call itself, for [`wait_any`].
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }
}

/// Hands over everything that was begun, and does not wait.
pub fn flush() {
    thread::current().flush();
}

/// Waits until one of `calls` is complete and returns its place in the list; `None` if the deadline passes before, or if
/// the list is empty.
///
/// # Errors
/// [`Transport::NoTimer`] if the deadline's Timer is no longer live.
pub fn wait_any(calls: &[&Call], deadline: Deadline<'_>) -> Result<Option<usize>, CallError> {
    if calls.is_empty() {
        return Ok(None);
    }
    loop {
        if let Some(place) = calls.iter().position(|call| call.is_complete()) {
            return Ok(Some(place));
        }
        if !thread::current().wait_some(deadline.limit)? {
            return Ok(None);
        }
    }
}

/// Owned text of a reply.
///
/// # Errors
/// [`Transport::OutOfMemory`].
pub(crate) fn owned(text: &str) -> Result<String, CallError> {
    let mut out = String::new();
    out.try_reserve_exact(text.len()).map_err(|_| Transport::OutOfMemory)?;
    out.push_str(text);
    Ok(out)
}

/// Copies the bulk data of a reply into the caller's buffer and returns its bytes.
///
/// # Errors
/// [`Transport::BadMessage`] if there are more than were asked for.
pub(crate) fn copy_out(bytes: &[u8], buffer: &mut [u8]) -> Result<usize, CallError> {
    buffer.get_mut(..bytes.len()).ok_or(IMPOSSIBLE_REPLY)?.copy_from_slice(bytes);
    Ok(bytes.len())
}

#[cfg(test)]
mod tests;
