//! `revoke`, and the end of what was in flight or mapped through a capability that died.
//!
//! The tree does the work in steps; here are the steps that the kernel takes for it, and what follows from each. Called by
//! `submission` for the opcode, by `work` for the steps that are owed at once, and by the scheduler for the others: a turn
//! whenever the timer says so, or nobody else can run.
//!
//! Invariant: a revocation that was accepted runs to its end and completes with success, whatever becomes of its caller or
//! of the capability that it named; when it completes, nothing works any more that came from that capability. A turn is a
//! bounded amount of work.

use super::operation::{Operation, Parked};
use super::{Answer, Origin};
use crate::kernel::{Kernel, NodeUse};
use crate::processes::thread::{Thread, ThreadState};
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::derivation::Step;
use capos_kernel_core::pool::Id;

/// Steps that `revoke` takes before it lets others go on: small revocations are complete then.
const STEPS_AT_ONCE: u32 = 8;
/// Steps of a turn.
const STEPS_PER_TURN: u32 = 32;
/// Between two turns, if others have something to do, in nanoseconds.
const TURN_NANOSECONDS: u64 = 40_000;

impl Kernel {
    /// `revoke`: every descendant of the capability dies, and the capability does not.
    pub(crate) fn revoke(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let capability = self.named(origin)?;
        let id = self.park(origin, Parked::Revocation, None)?;
        let number = NodeUse::Operation(id.index()).number();
        if !self.nodes.begin_revocation(capability.node, number) {
            self.take_operation(id);
            return Err(Exception::Overloaded.into());
        }
        self.revocation_turn(STEPS_AT_ONCE);
        Ok(Answer::Parked)
    }

    /// Takes one step that is owed to a revocation; false if there is none.
    pub(crate) fn pay_revocation(&mut self) -> bool {
        let is_owed = self.nodes.take_owed();
        if is_owed {
            self.revocation_step();
        }
        is_owed
    }

    /// The turn of the revocations in progress; false if there are none.
    pub(crate) fn continue_revocation(&mut self) -> bool {
        self.nodes.has_revocation() && {
            self.revocation_turn(STEPS_PER_TURN);
            true
        }
    }

    /// Takes up to `steps` steps. What a step leaves to be done comes before the next one.
    fn revocation_turn(&mut self, steps: u32) {
        for _ in 0..steps {
            if !self.nodes.has_revocation() || self.work.severing.is_some() {
                break;
            }
            self.revocation_step();
        }
        if self.nodes.has_revocation() {
            self.timers.set(Kernel::REVOCATION_TIMER, self.clock.now() + TURN_NANOSECONDS);
        } else {
            self.timers.cancel(Kernel::REVOCATION_TIMER);
        }
    }

    fn revocation_step(&mut self) {
        match self.nodes.revocation_step() {
            Step::Cut(number) => self.cut(NodeUse::from_number(number)),
            Step::Revoked(number) => {
                if let NodeUse::Operation(index) = NodeUse::from_number(number)
                    && let Some(operation) = self.operations.id_at(index)
                {
                    self.complete_operation(operation, Ok((0, 0)));
                }
            }
            Step::Idle | Step::Moved | Step::Freed(_) => {}
        }
    }

    /// Ends what came through a capability that died.
    fn cut(&mut self, one: NodeUse) {
        match one {
            NodeUse::Operation(index) => {
                self.settle_record(index);
                if let Some(operation) = self.operations.id_at(index) {
                    self.cut_operation(operation);
                }
            }
            NodeUse::Deadline(index) => {
                if let Some(thread) = self.threads.id_at(index) {
                    self.cut_deadline(thread);
                }
            }
            NodeUse::Mapping(index) | NodeUse::Code(index) => self.sever(index),
        }
    }

    /// The operation completes as revoked. Every kind of operation that came through a capability passes here. A record that
    /// is only kept has completed.
    fn cut_operation(&mut self, id: Id<Operation>) {
        if self.operations.get(id).is_some_and(|operation| operation.parked == Parked::Kept) {
            self.take_operation(id);
            return;
        }
        self.complete_operation(id, Err(Transport::Revoked.into()));
    }

    /// The `enter` that waits for a point in time has no right to it any more.
    fn cut_deadline(&mut self, id: Id<Thread>) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        if let ThreadState::Waiting(_) = thread.state {
            self.wake(id);
            if let Some(thread) = self.threads.get_mut(id) {
                thread.context.set_result(i64::from(Transport::NoTimer.result()) as u64);
            }
        }
    }
}
