//! The boundary: system calls, submissions, calls on objects.
//!
//! `enter` takes submissions from the ring, `lone` does so on a short way if there is only one; `submission` decodes and dispatches one; `message` reads parameters and writes
//! results; `bulk` copies what is long; `transfer` moves capabilities; `passage` is what travels between processes; `operation` keeps what cannot be
//! answered at once; `revocation` takes authority back, and ends what came through it. Called by the scheduler.
//!
//! Invariant: a submission is taken only with a completion entry promised; it is decoded whole before its first effect, and
//! answered exactly once.

pub(crate) mod bulk;
pub(crate) mod enter;
pub(crate) mod lone;
pub(crate) mod message;
pub(crate) mod operation;
pub(crate) mod passage;
pub(crate) mod revocation;
pub(crate) mod submission;
pub(crate) mod transfer;

use crate::objects::Object;
use crate::processes::Process;
use crate::processes::thread::Thread;
use capos_abi::ring::Submission;
use capos_kernel_core::capability::Capability;
use capos_kernel_core::pool::Id;

/// Who submitted what.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) thread: Id<Thread>,
    pub(crate) process: Id<Process>,
    pub(crate) submission: Submission,
}

/// A call on an object, checked against interface and mask.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) origin: &'a Origin,
    /// The capability through which it came.
    pub(crate) capability: Capability<Object>,
}

/// What became of a submission that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done.
    Reply {
        /// Bytes of the reply, or the new handle of a derive.
        length: u32,
        /// Handles in the receive list.
        capabilities: u8,
        /// The completion's result.
        result: i32,
    },
    /// It is an operation in progress, or was one and has completed.
    Parked,
    /// It is kept in its thread as a [`message::Filling`], and goes on at the thread's next turn.
    Unfinished,
}

impl Answer {
    /// Done, without a reply.
    pub(crate) const DONE: Answer = Answer::Reply { length: 0, capabilities: 0, result: 0 };

    /// Done, with a reply of `length` bytes.
    pub(crate) const fn reply(length: usize) -> Answer {
        Answer::Reply { length: length as u32, capabilities: 0, result: 0 }
    }

    /// The same with handles in the receive list.
    pub(crate) const fn with_capabilities(self, count: u8) -> Answer {
        match self {
            Answer::Reply { length, result, .. } => Answer::Reply { length, capabilities: count, result },
            Answer::Parked | Answer::Unfinished => self,
        }
    }
}
