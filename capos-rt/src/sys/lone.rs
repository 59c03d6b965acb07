//! The short way of a call that is alone: small, without capabilities, waited for at once.
//!
//! Called by `call` for almost every call there is; calls `thread`. It has a slot and a piece of the message area of its
//! own, so nothing is searched, allocated or given back.
//!
//! Invariant: one lone call at a time: a [`Lone`] is the right to use the piece.

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_abi::ring::PlainCall;

use super::thread::{self, Thread};

/// The right to use the piece of the message area.
pub(crate) struct Lone {
    thread: &'static Thread,
    /// Bytes for the parameters, whole words; the results come behind them.
    parameters: usize,
    /// Bytes for the results, whole words.
    results: usize,
}

impl Lone {
    /// The right to make a call of these sizes; `None` if it is too large for the piece or another one is being made.
    #[inline(always)] // The sizes are known where it is called.
    pub(crate) fn take(parameters: usize, results: usize) -> Option<Lone> {
        let thread = thread::current();
        let (parameters, results) = (parameters.checked_add(7)? & !7, results.checked_add(7)? & !7);
        let fits = parameters.checked_add(results)? <= thread.lone_piece().1;
        (fits && thread.begin_lone()).then_some(Lone { thread, parameters, results })
    }

    /// The buffer for the parameters.
    #[inline]
    pub(crate) fn parameters_mut(&mut self) -> &mut [u8] {
        // SAFETY: the piece lies in the area.
        let start = unsafe { self.thread.region().area().byte_add(self.thread.lone_piece().0) };
        // SAFETY: initialized memory of the piece, which this value alone uses; no call is in flight.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), self.parameters) }
    }

    /// Calls, with `length` bytes of parameters written, and returns the reply.
    ///
    /// # Errors
    /// What the completion says; [`Transport::LimitReached`] if the submission ring is full.
    #[inline(always)] // Most of the submission is known where it is called.
    pub(crate) fn call(
        &mut self,
        handle: Handle,
        interface: u64,
        method: u16,
        length: usize,
    ) -> Result<&[u8], CallError> {
        let call = PlainCall::new(handle, interface, method);
        let lengths = (length.min(self.parameters) as u32, self.results as u32);
        // SAFETY: the buffers are in the piece, which is this value's.
        let (result, received) = unsafe { self.thread.call_alone(call, self.parameters as u64, lengths) };
        if result < 0 {
            return CallError::check(result).map(|_| Default::default());
        }
        let received = received as usize;
        if received > self.results {
            return Err(Transport::BadMessage.into());
        }
        // SAFETY: the piece lies in the area.
        let start =
            unsafe { self.thread.region().area().byte_add(self.thread.lone_piece().0 + self.parameters) };
        // SAFETY: as for the parameters; the call is over.
        Ok(unsafe { core::slice::from_raw_parts(start.as_ptr(), received) })
    }
}

impl Drop for Lone {
    #[inline]
    fn drop(&mut self) {
        self.thread.end_lone();
    }
}
