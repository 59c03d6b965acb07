//! Calls with long messages, waited for at once: the kernel copies from where the caller has them to where the reply is wanted.
//!
//! Called by `untyped`; calls `thread`. Nothing is allocated, and nothing is copied here.
//!
//! Invariant: what is lent to the kernel is borrowed until the call has completed.

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::MESSAGE_BYTES_MAX;
use capos_abi::ring::{Opcode, Submission};

use super::thread;

/// Bytes up to which a message is rather copied into the message area, where it takes the short way.
pub(crate) const LEAST: usize = 1024;

/// Calls a method of an object and waits; returns the bytes of the reply. `None`, and nothing has happened, if the slices
/// cannot be lent as they lie: both have to begin at a word, and the reply's to end at one.
///
/// # Errors
/// What the object or the transport says.
pub(crate) fn call(
    (handle, interface, method): (Handle, u64, u16),
    message: &[u8],
    reply: &mut [u8],
) -> Option<Result<usize, CallError>> {
    let address = |bytes: *const u8| bytes.expose_provenance() as u64;
    let (parameters, results) = (address(message.as_ptr()), address(reply.as_mut_ptr()));
    let is_aligned = (parameters | results | reply.len() as u64).is_multiple_of(8);
    if !is_aligned || message.len().max(reply.len()) > MESSAGE_BYTES_MAX {
        return None;
    }
    let thread = thread::current();
    let slot = thread.take_slot()?;
    let submission = Submission {
        handle,
        interface,
        method,
        address: parameters,
        length: message.len() as u32,
        result_address: results,
        result_capacity: reply.len() as u32,
        ..Submission::new(Opcode::Call, 0)
    };
    // SAFETY: both slices are borrowed, the reply's exclusively, until the completion has come, for which this waits.
    let submitted = unsafe { thread.submit(slot, submission) };
    let result = match submitted {
        Ok(()) => {
            let completion = thread.wait_for_ever(slot);
            CallError::check(completion.result).map(|_| completion.length as usize)
        }
        Err(refusal) => Err(refusal.into()),
    };
    thread.give_back_slot(slot);
    let is_possible = |length: &usize| *length <= reply.len();
    Some(result.and_then(
        |length| {
            if is_possible(&length) { Ok(length) } else { Err(Transport::BadMessage.into()) }
        },
    ))
}
