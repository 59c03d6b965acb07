//! The shape that almost every submission has, written straight into its eight words.
//!
//! Used by `capos-rt` for calls that are waited for at once; decoded by [`Submission::decode_plain_call`].
//!
//! Invariant: the words are those that [`Submission::encode`] would write.

use super::{FLAGS, Opcode, Submission};
use crate::handle::Handle;

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

impl Submission {
    /// Decodes the shape that almost every submission of a server has: a return-and-receive of a reply without capabilities,
    /// with room for none, whose messages both lie in the first `limit` bytes of the message area, at most
    /// [`crate::message::MESSAGE_BYTES_MAX`]. `None` for every other, and for whatever [`Submission::decode`] would refuse.
    #[must_use]
    pub fn decode_plain_return(words: &[u64; 8], limit: u32) -> Option<Submission> {
        /// The bits of an offset that has whole words.
        const OFFSET: u64 = 0xffff_fff8;
        /// Opcode and flags, and no exception.
        const SHAPE: u32 = Opcode::ReturnAndReceive as u32 | (FLAGS as u32) << 8;
        let (length, result_capacity) = (words[4] as u32, (words[4] >> 32) as u32);
        let is_inside = |start: u64, bytes: u32| start + u64::from(bytes) <= u64::from(limit);
        let is_plain = words[0] as u32 == SHAPE
            && words[1] | words[7] == 0
            && (words[3] | words[5]) & !OFFSET == 0
            && is_inside(words[3], length)
            && is_inside(words[5], result_capacity);
        if !is_plain {
            return None;
        }
        Some(Submission {
            flags: FLAGS,
            handle: Handle((words[0] >> 32) as u32),
            address: words[3],
            length,
            result_address: words[5],
            result_capacity,
            operand: words[6],
            ..Submission::new(Opcode::ReturnAndReceive, words[2])
        })
    }
}
