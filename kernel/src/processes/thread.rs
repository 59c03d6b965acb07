//! A thread: registers, ring and what it waits for.
//!
//! Made with its process; run by the scheduler; its ring is read and written by `calls`.
//!
//! Invariant: a thread in state [`ThreadState::Waiting`] is in no run queue, and is woken by a completion or its deadline.

use super::Process;
use super::exchange::Exchange;
use super::ring::Ring;
use crate::calls::message::Filling;
use crate::calls::operation::Operation;
use capos_abi::handle::Handle;
use capos_abi::system_call::{DEADLINE_NEVER, DEADLINE_NOW};
use capos_kernel_core::list::List;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::user::Context;

/// What a thread waits for before it goes on, because it left it over itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Debt {
    /// Nothing.
    #[default]
    None,
    /// Nodes of the derivation tree that leave or die.
    Nodes,
    /// All that is left over.
    All,
}

/// What a thread does when it is not in ring 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadState {
    /// It goes on in ring 3.
    Ready,
    /// It is in an `enter` whose submissions are not all taken yet.
    Entering(Wait),
    /// It is in an `enter` that waits for completions.
    Waiting(Wait),
}

/// What an `enter` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Completions in the ring.
    pub(crate) completions: u64,
    /// Nanoseconds of the clock; see the deadlines of `capos_abi::system_call`.
    pub(crate) deadline: u64,
    /// The Timer capability that a finite deadline needs.
    pub(crate) timer: Handle,
}

impl Wait {
    /// True for a point in time that is neither "now" nor "never".
    pub(crate) const fn is_finite(&self) -> bool {
        self.deadline != DEADLINE_NOW && self.deadline != DEADLINE_NEVER
    }
}

/// A thread.
pub(crate) struct Thread {
    pub(crate) process: Id<Process>,
    pub(crate) context: Context,
    pub(crate) ring: Ring,
    pub(crate) state: ThreadState,
    /// A call that goes on at the next turn; submissions behind it wait. Only with [`ThreadState::Entering`].
    pub(crate) filling: Option<Filling>,
    /// How often it was woken.
    pub(crate) wakes: u64,
    /// Operations in progress, over `Kernel::operation_links`.
    pub(crate) operations: List,
    /// Its own record for a call, once it has made one: in use, parked as kept, or an event that a server has not been told.
    /// It is paid for with the thread, and never given back while that lives, so a call finds most of its work done.
    pub(crate) kept_call: Option<Id<Operation>>,
    /// Its own record for a receive.
    pub(crate) kept_receive: Option<Id<Operation>>,
    /// What it has under way on the direct way.
    pub(crate) exchange: Exchange,
    /// Counts until nothing is left over.
    pub(crate) debt: Debt,
}

/// The records that a thread has for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// That of a call.
    Call,
    /// That of a receive.
    Receive,
}

impl Thread {
    /// Its own record of this kind.
    pub(crate) const fn kept(&self, kind: RecordKind) -> Option<Id<Operation>> {
        match kind {
            RecordKind::Call => self.kept_call,
            RecordKind::Receive => self.kept_receive,
        }
    }

    /// Its place.
    pub(crate) fn kept_mut(&mut self, kind: RecordKind) -> &mut Option<Id<Operation>> {
        match kind {
            RecordKind::Call => &mut self.kept_call,
            RecordKind::Receive => &mut self.kept_receive,
        }
    }
}
