//! The shape that almost every submission has, written straight into its eight words.
//!
//! Used by `capos-rt` for calls that are waited for at once; decoded by [`Submission::decode_plain_call`].
//!
//! Invariant: the words are those that [`Submission::encode`] would write.

use super::{FLAGS, Opcode};
use crate::handle::Handle;

#[cfg(doc)]
use super::Submission;

/// A call of the shape that [`Submission::decode_plain_call`] takes: no capabilities, both messages in the message area. Two
/// words, so it is passed in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainCall {
    /// Word 0 of the submission.
    head: u64,
    /// Word 1.
    interface: u64,
}

impl PlainCall {
    /// Opcode and flags.
    pub(super) const SHAPE: u16 = Opcode::Call as u16 | (FLAGS as u16) << 8;

    /// A call of `method` of `interface` on `handle`.
    #[inline]
    #[must_use]
    pub const fn new(handle: Handle, interface: u64, method: u16) -> PlainCall {
        let head = PlainCall::SHAPE as u64 | (method as u64) << 16 | (handle.0 as u64) << 32;
        PlainCall { head, interface }
    }

    /// The eight words: user data, then offset and bytes of the parameters and of the room for the results.
    #[inline]
    #[must_use]
    pub const fn encode(&self, user_data: u64, parameters: (u64, u32), results: (u64, u32)) -> [u64; 8] {
        let lengths = parameters.1 as u64 | (results.1 as u64) << 32;
        [self.head, self.interface, user_data, parameters.0, lengths, results.0, 0, 0]
    }
}
