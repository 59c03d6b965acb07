//! The shape that almost every submission has, written straight into its eight words.
//!
//! Used by `capos-rt` for calls that are waited for at once; known again by [`Submission::decode_plain_call`].
//!
//! Invariant: the words are those that [`Submission::encode`] would write.

use super::{FLAGS, Opcode, RECEIVED_HANDLE_BYTES, Submission};
use crate::handle::Handle;
use crate::message::CAPABILITIES_MAX;
#[cfg(doc)]
use crate::message::MESSAGE_BYTES_MAX;

/// A call of the shape that [`Submission::decode_plain_call`] knows, without capabilities: both messages in the message area. Two
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

/// What differs from one answer of a server to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAnswer {
    /// Where the next call comes from.
    pub endpoint: Handle,
    /// Which call is answered.
    pub token: u64,
    /// Bytes of the reply.
    pub length: u32,
}

impl PlainAnswer {
    /// The words of a return-and-receive, made of those of one in which this is zero.
    #[inline]
    #[must_use]
    pub const fn fill_in(&self, words: &[u64; 8]) -> [u64; 8] {
        let [head, interface, user_data, address, lengths, result_address, _, lists] = *words;
        let (head, lengths) = (head | (self.endpoint.0 as u64) << 32, lengths | self.length as u64);
        [head, interface, user_data, address, lengths, result_address, self.token, lists]
    }
}

/// Words of a submission that say what is asked for, and of whom; the others say where the messages are.
pub const HEAD_WORDS: usize = 2;

/// The bits of an offset that has whole words.
const OFFSET: u64 = 0xffff_fff8;

/// True if the two words in front are those of a plain call.
#[inline(always)] // On the path of every call.
#[must_use]
pub const fn is_plain_call_head(head: &[u64; HEAD_WORDS]) -> bool {
    head[0] as u16 == PlainCall::SHAPE
}

/// True if the two words in front are those of a plain return.
#[inline(always)] // On the path of every return.
#[must_use]
pub const fn is_plain_return_head(head: &[u64; HEAD_WORDS]) -> bool {
    /// Opcode and flags, and no exception.
    const SHAPE: u32 = Opcode::ReturnAndReceive as u32 | (FLAGS as u32) << 8;
    head[0] as u32 == SHAPE && head[1] == 0
}

/// True if the other words say that parameters and room for results lie in the first `limit` bytes of the message area, `limit`
/// at most [`MESSAGE_BYTES_MAX`], that no capabilities go along, and that the list for those that come, if there is one, lies
/// there too. Says nothing about the operand, which must be 0 for a call.
#[inline(always)] // On the path of every call and return.
#[must_use]
pub const fn has_plain_buffers(rest: &[u64; 8 - HEAD_WORDS], limit: u32) -> bool {
    let limit = limit as u64;
    let [_, parameters, lengths, results, _, lists] = *rest;
    (parameters | results) & !OFFSET == 0
        && parameters + (lengths & 0xffff_ffff) <= limit
        && results + (lengths >> 32) <= limit
        && (lists == 0 || is_plain_receive_list(lists, limit))
}

/// True if word 7 says that nothing is sent, and states a valid list for capabilities that come.
#[inline(never)] // Most messages bring none.
const fn is_plain_receive_list(word: u64, limit: u64) -> bool {
    const SENDS: u64 = 0x00ff_0000_00ff_ffff;
    let (list, slots) = (word >> 24 & 0xff_ffff, word >> 56);
    word & SENDS == 0
        && list.is_multiple_of(4)
        && slots <= CAPABILITIES_MAX as u64
        && list + slots * RECEIVED_HANDLE_BYTES as u64 <= limit
}

impl Submission {
    /// Decodes the shape that almost every submission has: a call that sends no capabilities and whose messages both lie in
    /// the first `limit` bytes of the message area, at most [`MESSAGE_BYTES_MAX`]; an empty one lies there too. `None` for
    /// every other, and for whatever [`Submission::decode`] would refuse.
    #[inline(always)] // On the path of every call.
    #[must_use]
    pub const fn decode_plain_call(words: &[u64; 8], limit: u32) -> Option<Submission> {
        let [head, interface, rest @ ..] = words;
        if is_plain_call_head(&[*head, *interface]) && words[6] == 0 && has_plain_buffers(rest, limit) {
            Some(Submission { opcode: Opcode::Call, ..Submission::of_plain(words) })
        } else {
            None
        }
    }

    /// Decodes the shape that almost every submission of a server has: a return-and-receive of a reply without capabilities,
    /// whose messages lie as those of a plain call. `None` for every other, and for whatever [`Submission::decode`] would
    /// refuse.
    #[inline]
    #[must_use]
    pub const fn decode_plain_return(words: &[u64; 8], limit: u32) -> Option<Submission> {
        let [head, interface, rest @ ..] = words;
        if is_plain_return_head(&[*head, *interface]) && has_plain_buffers(rest, limit) {
            Some(Submission { opcode: Opcode::ReturnAndReceive, ..Submission::of_plain(words) })
        } else {
            None
        }
    }

    /// The words' fields, but opcode, flags and the list of what is sent: a plain one has all flags and sends nothing.
    #[inline(always)] // As its callers.
    pub(super) const fn of_plain(words: &[u64; 8]) -> Submission {
        Submission {
            opcode: Opcode::Nop,
            flags: FLAGS,
            method: (words[0] >> 16) as u16,
            handle: Handle((words[0] >> 32) as u32),
            interface: words[1],
            user_data: words[2],
            address: words[3],
            length: words[4] as u32,
            result_address: words[5],
            result_capacity: (words[4] >> 32) as u32,
            operand: words[6],
            send_list: 0,
            send_count: 0,
            receive_list: (words[7] >> 24 & 0xff_ffff) as u32,
            receive_slots: (words[7] >> 56) as u8,
        }
    }
}
