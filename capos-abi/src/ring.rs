//! The rings: how submissions and completions lie in memory, and the pure validators for them.
//!
//! Each thread has one region that the kernel makes and pins: a header page with both rings, then the message area. Ring 3
//! writes submissions and advances `submission_tail`; the kernel writes completions and advances `completion_tail`.
//! Encoded and decoded here by both sides; the kernel decodes from its own copy of the eight words, so a submission that
//! changes under its hands cannot matter.
//!
//! Invariant: `Submission::decode` accepts exactly what `Submission::encode` can produce from a valid submission, and
//! looks at nothing but its eight words and the layout.

mod index;
mod layout;
mod plain;
mod received;

use crate::error::{Exception, Transport};
use crate::handle::Handle;
use crate::message::{CAPABILITIES_MAX, MESSAGE_BYTES_MAX};

/// "RING" as a little-endian word.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RING");
/// The layout described here.
pub const VERSION: u32 = 1;

/// Bytes before the submission ring: four cache lines.
pub const HEADER_BYTES: usize = 256;
/// Byte offsets of the header's fields, each a little-endian u32. The first line is written once by the kernel; the second
/// by ring 3; the third by the kernel.
pub mod offset {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// [`super::VERSION`].
    pub const VERSION: usize = 4;
    /// Entries of the submission ring, a power of two.
    pub const SUBMISSION_ENTRIES: usize = 8;
    /// Entries of the completion ring, a power of two.
    pub const COMPLETION_ENTRIES: usize = 12;
    /// Byte offset of the submission ring from the start of the region.
    pub const SUBMISSIONS: usize = 16;
    /// Byte offset of the completion ring.
    pub const COMPLETIONS: usize = 20;
    /// Byte offset of the message area.
    pub const AREA: usize = 24;
    /// Bytes of the message area.
    pub const AREA_BYTES: usize = 28;
    /// Ring 3 advances it past the submissions that it has written (release).
    pub const SUBMISSION_TAIL: usize = 64;
    /// Ring 3 advances it past the completions that it has read (release).
    pub const COMPLETION_HEAD: usize = 68;
    /// The kernel advances it past the submissions that it has taken (release).
    pub const SUBMISSION_HEAD: usize = 128;
    /// The kernel advances it past the completions that it has written (release).
    pub const COMPLETION_TAIL: usize = 132;
}

/// Bytes of a submission: one cache line.
pub const SUBMISSION_BYTES: usize = 64;
/// Bytes of a completion: half a cache line.
pub const COMPLETION_BYTES: usize = 32;

pub use index::Index;
pub use layout::Layout;
pub use plain::{
    HEAD_WORDS, PlainAnswer, PlainCall, has_plain_buffers, is_plain_call_head, is_plain_return_head,
};
pub use received::{
    EVENT_ABANDONED, EVENT_UNREFERENCED, KERNEL_INTERFACE, MINT_BYTES, Mint, RECEIVED_HEADER_BYTES,
    ReceivedHeader,
};

macro_rules! opcodes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)+) => {
        /// What a submission asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Opcode { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Opcode {
            /// Every opcode, in order.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name,)+];

            /// The opcode with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Opcode> {
                match number { $($number => Some(Opcode::$name),)+ _ => None }
            }
        }
    };
}

opcodes! {
    /// Completes with 0. Uses only `user_data`.
    Nop = 0;
    /// Calls `method` of `interface` on `handle`; completes with the reply.
    Call = 1;
    /// Waits for a call on the endpoint `handle`; the message goes into the result buffer behind a [`ReceivedHeader`].
    Receive = 2;
    /// Replies to the call with token `operand`: with a message if `method` is 0, else with the exception of that number,
    /// made positive, and no message.
    Return = 3;
    /// [`Opcode::Return`], then [`Opcode::Receive`], in one submission.
    ReturnAndReceive = 4;
    /// Makes a child capability of `handle` with the method mask `operand`; completes with 0 and the new handle in
    /// `length`.
    Derive = 5;
    /// Kills every descendant of `handle`, and not `handle` itself.
    Revoke = 6;
    /// Gives up `handle`.
    Release = 7;
    /// Cancels the operation of this ring whose user data is `operand`.
    Cancel = 8;
    /// Completes when some thread of the process unparks `address`, if the u32 there still equals `operand`.
    Park = 9;
    /// Wakes up to `operand` operations parked on `address`; completes with their number.
    Unpark = 10;
}

/// The parameters lie in the message area: `address` is an offset into it. Otherwise it is a pointer (the long path).
pub const FLAG_PARAMETERS_IN_AREA: u8 = 1 << 0;
/// The result buffer lies in the message area: `result_address` is an offset into it.
pub const FLAG_RESULT_IN_AREA: u8 = 1 << 1;
/// All flags that there are.
pub const FLAGS: u8 = FLAG_PARAMETERS_IN_AREA | FLAG_RESULT_IN_AREA;

/// A transfer descriptor's mode: the receiver gets a copy, a child of the sender's node.
pub const TRANSFER_COPY: u32 = 0;
/// A transfer descriptor's mode: the capability leaves the sender's table.
pub const TRANSFER_MOVE: u32 = 1;
/// A transfer descriptor's mode, in a return alone: the receiver gets a new object of the endpoint. The descriptor's handle
/// is the offset of a [`Mint`] in the message area.
pub const TRANSFER_MINT: u32 = 2;
/// Bytes of a transfer descriptor {handle u32, mode u32} in the message area.
pub const TRANSFER_BYTES: usize = 8;
/// Bytes of a received handle (u32) in the message area.
pub const RECEIVED_HANDLE_BYTES: usize = 4;

/// A submission, decoded. Eight little-endian words:
///
/// | word | bits |
/// |---|---|
/// | 0 | opcode 0-7, flags 8-15, method (return: exception) 16-31, handle 32-63 |
/// | 1 | interface id (call), or 0 |
/// | 2 | user data, returned in the completion |
/// | 3 | parameters: pointer or offset; park and unpark: the word's address |
/// | 4 | parameter bytes 0-31, result capacity in bytes 32-63 |
/// | 5 | result buffer: pointer or offset |
/// | 6 | operand: token, mask, user data to cancel, expected value, count |
/// | 7 | send list offset 0-23, receive list offset 24-47, send count 48-55, receive slots 56-63; the lists lie in the message area |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What is asked for.
    pub opcode: Opcode,
    /// [`FLAG_PARAMETERS_IN_AREA`], [`FLAG_RESULT_IN_AREA`].
    pub flags: u8,
    /// Method number of a call; of a return 0, or the number of an exception, made positive.
    pub method: u16,
    /// The capability that it is about.
    pub handle: Handle,
    /// Interface id of a call.
    pub interface: u64,
    /// Chosen by ring 3, returned in the completion.
    pub user_data: u64,
    /// Where the parameter message lies.
    pub address: u64,
    /// Its bytes.
    pub length: u32,
    /// Where the result goes.
    pub result_address: u64,
    /// Bytes that fit there.
    pub result_capacity: u32,
    /// Depends on the opcode.
    pub operand: u64,
    /// Offset of the list of [`TRANSFER_BYTES`]-sized descriptors in the message area.
    pub send_list: u32,
    /// Descriptors in it.
    pub send_count: u8,
    /// Offset of the list where received handles are written.
    pub receive_list: u32,
    /// Handles that fit there.
    pub receive_slots: u8,
}

impl Submission {
    /// A submission with everything zero but opcode and user data.
    #[must_use]
    pub const fn new(opcode: Opcode, user_data: u64) -> Submission {
        Submission {
            opcode,
            flags: 0,
            method: 0,
            handle: Handle::NULL,
            interface: 0,
            user_data,
            address: 0,
            length: 0,
            result_address: 0,
            result_capacity: 0,
            operand: 0,
            send_list: 0,
            send_count: 0,
            receive_list: 0,
            receive_slots: 0,
        }
    }

    /// The eight words. Offsets of lists past 24 bits are cut; a valid layout has none.
    #[must_use]
    pub const fn encode(&self) -> [u64; 8] {
        [
            self.opcode as u64
                | (self.flags as u64) << 8
                | (self.method as u64) << 16
                | (self.handle.0 as u64) << 32,
            self.interface,
            self.user_data,
            self.address,
            self.length as u64 | (self.result_capacity as u64) << 32,
            self.result_address,
            self.operand,
            (self.send_list as u64 & 0xff_ffff)
                | (self.receive_list as u64 & 0xff_ffff) << 24
                | (self.send_count as u64) << 48
                | (self.receive_slots as u64) << 56,
        ]
    }

    /// Which of the eight words is the user data.
    pub const USER_DATA_WORD: usize = 2;

    /// The user data of undecoded words: known even for a submission that is refused.
    #[inline]
    #[must_use]
    pub const fn user_data_of(words: &[u64; 8]) -> u64 {
        words[Submission::USER_DATA_WORD]
    }

    /// Decodes and validates everything that needs no look at tables or memory.
    ///
    /// # Errors
    /// [`Transport::UnknownOpcode`]; [`Transport::ReservedNotZero`] for unknown flags, for fields that the opcode does
    /// not use, and for a return's status that is no exception or has a message beside it; [`Transport::TooLarge`] for lengths over [`MESSAGE_BYTES_MAX`]; [`Transport::BadAddress`] for offsets outside
    /// the message area, and misaligned messages or lists; [`Transport::BadTransfer`] for lists over [`CAPABILITIES_MAX`].
    #[inline(always)] // One caller, and on the path of every submission: saves a copy of the result.
    pub fn decode(words: &[u64; 8], layout: &Layout) -> Result<Submission, Transport> {
        let opcode = Opcode::from_number(words[0] as u8).ok_or(Transport::UnknownOpcode)?;
        let unused = &UNUSED[opcode as usize];
        if words.iter().zip(unused).fold(0, |bits, (word, mask)| bits | word & mask) != 0 {
            return Err(Transport::ReservedNotZero);
        }
        let submission = Submission {
            opcode,
            flags: (words[0] >> 8) as u8,
            send_list: (words[7] & 0xff_ffff) as u32,
            send_count: (words[7] >> 48) as u8,
            ..Submission::of_plain(words)
        };
        submission.check_status()?;
        submission.check_buffers(layout)?;
        Ok(submission)
    }

    /// A return states either a reply or an exception without anything else.
    fn check_status(&self) -> Result<(), Transport> {
        if !matches!(self.opcode, Opcode::Return | Opcode::ReturnAndReceive) || self.method == 0 {
            return Ok(());
        }
        let is_exception = Exception::from_result(-i32::from(self.method)).is_some();
        let is_bare = self.length == 0 && self.send_count == 0;
        if is_exception && is_bare { Ok(()) } else { Err(Transport::ReservedNotZero) }
    }

    fn check_buffers(&self, layout: &Layout) -> Result<(), Transport> {
        if self.length as usize > MESSAGE_BYTES_MAX || self.result_capacity as usize > MESSAGE_BYTES_MAX {
            return Err(Transport::TooLarge);
        }
        if usize::from(self.send_count) > CAPABILITIES_MAX
            || usize::from(self.receive_slots) > CAPABILITIES_MAX
        {
            return Err(Transport::BadTransfer);
        }
        let area = u64::from(layout.area_bytes);
        let inside = |address: u64, length: u64| address.checked_add(length).is_some_and(|end| end <= area);
        let parameters =
            self.flags & FLAG_PARAMETERS_IN_AREA == 0 || inside(self.address, self.length.into());
        let result =
            self.flags & FLAG_RESULT_IN_AREA == 0 || inside(self.result_address, self.result_capacity.into());
        let send = inside(self.send_list.into(), u64::from(self.send_count) * TRANSFER_BYTES as u64);
        let receive =
            inside(self.receive_list.into(), u64::from(self.receive_slots) * RECEIVED_HANDLE_BYTES as u64);
        let is_word = matches!(self.opcode, Opcode::Park | Opcode::Unpark);
        let aligned = self.address.is_multiple_of(if is_word { 4 } else { 8 })
            && self.result_address.is_multiple_of(8)
            && self.send_list.is_multiple_of(8)
            && self.receive_list.is_multiple_of(4);
        if parameters && result && send && receive && aligned { Ok(()) } else { Err(Transport::BadAddress) }
    }
}

/// Which fields an opcode uses; all others must be zero.
struct Uses {
    handle: bool,
    method: bool,
    status: bool,
    message: bool,
    result: bool,
    operand: bool,
    word: bool,
}

/// The bits that must be zero, by opcode.
static UNUSED: [[u64; 8]; Opcode::ALL.len()] = {
    let mut masks = [[0; 8]; Opcode::ALL.len()];
    let mut index = 0;
    while index < masks.len() {
        masks[index] = Uses::of(Opcode::ALL[index]).unused();
        index += 1;
    }
    masks
};

impl Uses {
    /// `mask`, unless the field is used.
    const fn unless(is_used: bool, mask: u64) -> u64 {
        if is_used { 0 } else { mask }
    }

    /// The bits of the eight words that must be zero.
    const fn unused(&self) -> [u64; 8] {
        const LOW: u64 = 0xffff_ffff;
        const SENDS: u64 = 0x00ff_0000_00ff_ffff;
        [
            Uses::unless(self.message, (FLAG_PARAMETERS_IN_AREA as u64) << 8)
                | Uses::unless(self.result, (FLAG_RESULT_IN_AREA as u64) << 8)
                | (!FLAGS as u64) << 8
                | Uses::unless(self.method || self.status, 0xffff << 16)
                | Uses::unless(self.handle, LOW << 32),
            Uses::unless(self.method, u64::MAX),
            0,
            Uses::unless(self.message || self.word, u64::MAX),
            Uses::unless(self.message, LOW) | Uses::unless(self.result, LOW << 32),
            Uses::unless(self.result, u64::MAX),
            Uses::unless(self.operand, u64::MAX),
            Uses::unless(self.message, SENDS) | Uses::unless(self.result, !SENDS),
        ]
    }

    const fn of(opcode: Opcode) -> Uses {
        let none = Uses {
            handle: false,
            method: false,
            status: false,
            message: false,
            result: false,
            operand: false,
            word: false,
        };
        let reply = Uses { status: true, message: true, operand: true, ..none };
        match opcode {
            Opcode::Nop => none,
            Opcode::Call => Uses { handle: true, method: true, message: true, result: true, ..none },
            Opcode::Receive => Uses { handle: true, result: true, ..none },
            Opcode::Return => reply,
            Opcode::ReturnAndReceive => Uses { handle: true, result: true, ..reply },
            Opcode::Derive => Uses { handle: true, operand: true, ..none },
            Opcode::Revoke | Opcode::Release => Uses { handle: true, ..none },
            Opcode::Cancel => Uses { operand: true, ..none },
            Opcode::Park | Opcode::Unpark => Uses { operand: true, word: true, ..none },
        }
    }
}

/// A completion. Four little-endian words: user data; result (i32, bits 0-31) and received capability count (bits
/// 32-39); bytes of the reply (bits 0-31); reserved, zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// From the submission.
    pub user_data: u64,
    /// 0 or more: done, the meaning is the opcode's. Negative: see [`crate::error`].
    pub result: i32,
    /// Handles written to the receive list.
    pub capability_count: u8,
    /// Bytes written to the result buffer; after a derive the new handle.
    pub length: u32,
}

impl Completion {
    /// A completion without reply bytes.
    #[must_use]
    pub const fn new(user_data: u64, result: i32) -> Completion {
        Completion { user_data, result, capability_count: 0, length: 0 }
    }

    /// The four words.
    #[must_use]
    pub const fn encode(&self) -> [u64; 4] {
        [
            self.user_data,
            self.result as u32 as u64 | (self.capability_count as u64) << 32,
            self.length as u64,
            0,
        ]
    }

    /// Reads the four words.
    #[must_use]
    pub const fn decode(words: &[u64; 4]) -> Completion {
        Completion {
            user_data: words[0],
            result: words[1] as u32 as i32,
            capability_count: (words[1] >> 32) as u8,
            length: words[2] as u32,
        }
    }
}

/// How many entries lie between `head` and `tail` of a ring, both free-running.
///
/// Returns `None` if the distance is more than the ring holds: the other side's index is torn or forged.
#[must_use]
pub const fn distance(head: u32, tail: u32, entries: u32) -> Option<u32> {
    let distance = tail.wrapping_sub(head);
    if distance <= entries { Some(distance) } else { None }
}

#[cfg(test)]
mod tests;
