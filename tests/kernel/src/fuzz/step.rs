//! One submission of the fuzzer: its words, its bytes of the message area, and the answer that is due.
//!
//! Made by `kinds`, read by the program.
//!
//! Invariant: a step uses only its own slot of the message area, so the steps of a batch cannot disturb each other.

use super::world::Known;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, Submission};

/// Steps of a batch at most.
pub const SLOTS: usize = 16;
/// Bytes of the message area that belong to a step.
pub const SLOT_BYTES: usize = 512;
/// Where the send list lies in a slot; the parameters lie before it.
pub(crate) const SEND_LIST: usize = 192;
/// Where the receive list lies.
pub(crate) const RECEIVE_LIST: usize = 320;
/// Where the result lies.
pub(crate) const RESULT: usize = 384;
/// Bytes of the result.
pub(crate) const RESULT_BYTES: u32 = (SLOT_BYTES - RESULT) as u32;

/// What the completion must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A success.
    Success,
    /// This refusal.
    Refused(Transport),
    /// One of two refusals: the contract leaves the order of the checks open.
    Either(Transport, Transport),
    /// The object's refusal.
    Exception(Exception),
}

impl Expected {
    /// True if a completion with `result` is what is due.
    #[must_use]
    pub fn allows(self, result: i32) -> bool {
        match (self, CallError::check(result)) {
            (Expected::Success, found) => found.is_ok(),
            (Expected::Refused(one), Err(CallError::Transport(found))) => {
                found == one && result == one.result()
            }
            (Expected::Either(one, other), Err(CallError::Transport(found))) => {
                found == one || found == other
            }
            (Expected::Exception(one), Err(CallError::Exception(found))) => found == one,
            _ => false,
        }
    }
}

/// What a success changes in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The completion's `length` is a new handle to this interface with these methods.
    Derived {
        /// The interface id.
        interface: u64,
        /// The method mask.
        methods: u64,
        /// The handle that it was derived from.
        source: u32,
    },
    /// The first received handle is what had another one before.
    Moved {
        /// What it was.
        before: Known,
    },
    /// The first received handle is a new MemoryObject with all methods.
    Created,
    /// The first word of the result behind its header is the address of a new mapping.
    Mapped,
}

/// A submission with its surroundings.
#[derive(Clone, Debug)]
pub struct Step {
    /// The words for the ring.
    pub words: [u64; 8],
    /// The bytes for the step's slot of the message area.
    pub area: [u8; SLOT_BYTES],
    /// The answer that is due.
    pub expected: Expected,
    /// What to remember after a success.
    pub effect: Effect,
    /// Where the receive list lies in the message area.
    pub receive_list: usize,
    /// The kind of step, for reports.
    pub kind: &'static str,
}

/// The offset of a slot in the message area.
pub(crate) const fn base(slot: usize) -> usize {
    slot * SLOT_BYTES
}

/// A call whose parameters and result lie in `slot`; `length` bytes of parameters.
pub(crate) fn call(slot: usize, handle: u32, interface: u64, method: u16, length: usize) -> Submission {
    Submission {
        flags: FLAG_PARAMETERS_IN_AREA | FLAG_RESULT_IN_AREA,
        handle: capos_abi::handle::Handle(handle),
        interface,
        method,
        address: base(slot) as u64,
        length: length as u32,
        result_address: (base(slot) + RESULT) as u64,
        result_capacity: RESULT_BYTES,
        ..Submission::new(Opcode::Call, 0)
    }
}
