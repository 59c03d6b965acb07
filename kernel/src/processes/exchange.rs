//! What a thread has under way on the direct way between processes.
//!
//! A thread that calls, or answers and receives, on the direct way waits for that one thing. So it is kept in the thread, and
//! the thread's own records (`Thread::kept_call`, `Thread::kept_receive`) only hold its places: in the list of its
//! operations, in the derivation tree, in its account. Written and read by `endpoints::direct`; `endpoints::settling` brings it
//! into the records when the general way asks for them.
//!
//! Invariant: while a record of the thread is parked as kept, this says whether it is in use; otherwise the record does.

use super::Process;
use crate::endpoints::{Endpoint, Minted};
use capos_abi::ring::{FLAGS, Opcode, Submission};
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::Id;

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Idle,
    /// A call that `server` has in its hands.
    Calls { object: Id<Minted>, server: Id<Process> },
    /// A receive that waits.
    Receives(Id<Endpoint>),
}

/// The state, and what matters of the submission from now on.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) state: State,
    pub(crate) user_data: u64,
    /// Where in the message area the result goes.
    pub(crate) result_address: u64,
    /// Bytes of the message that was sent, and of the room for the result in the upper half: word 4 of the submission.
    pub(crate) lengths: u64,
    /// Word 7: where capabilities go that come.
    pub(crate) lists: u64,
    /// The token of the call under way, or of the next one: the id of the thread's own record for calls, whose generation
    /// counts here alone until it is settled.
    pub(crate) token: u64,
    /// Where that record is a use in the derivation tree, while it is parked as kept.
    pub(crate) call_node: Option<NodeId>,
    /// The same of the record for receives.
    pub(crate) receive_node: Option<NodeId>,
}

impl Exchange {
    /// That of a thread that has not called anybody.
    pub(crate) const NONE: Exchange = Exchange {
        state: State::Idle,
        user_data: 0,
        result_address: 0,
        lengths: 0,
        lists: 0,
        token: 0,
        call_node: None,
        receive_node: None,
    };

    /// Bytes that fit the result buffer.
    #[inline(always)]
    pub(crate) const fn result_capacity(&self) -> u32 {
        (self.lengths >> 32) as u32
    }

    /// A submission with what matters from now on: where the result goes.
    pub(crate) const fn submission(&self, opcode: Opcode) -> Submission {
        Submission {
            flags: FLAGS,
            result_address: self.result_address,
            result_capacity: self.result_capacity(),
            receive_list: (self.lists >> 24 & 0xff_ffff) as u32,
            receive_slots: (self.lists >> 56) as u8,
            ..Submission::new(opcode, self.user_data)
        }
    }

    /// The other way round.
    pub(crate) fn keep_result(&mut self, submission: &Submission) {
        let words = submission.encode();
        (self.user_data, self.lengths, self.result_address, self.lists) =
            (words[Submission::USER_DATA_WORD], words[4], words[5], words[7]);
    }
}
