//! Operations in progress: what was accepted and cannot be answered yet.
//!
//! A record per operation, charged to its process, in the list of its thread and in the list of what it waits for. Called by
//! the objects that park, by timers and devices that complete, by cancel and by ends of processes.
//!
//! Invariant: an operation leaves all its lists, its timer and its charge in one place, [`Kernel::take_operation`]; its
//! completion entry was promised when it was accepted.

use super::{Answer, Origin};
use crate::kernel::{Kernel, NodeUse, Waiters};
use crate::memory::charge::insert;
use crate::objects::console::Stream;
use crate::processes::Process;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::Completion;
use capos_kernel_core::derivation::{NodeId, USE_BYTES};
use capos_kernel_core::pool::{Id, Pool};

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The clock.
    Sleep,
    /// Its turn at the console.
    ConsoleTurn(Id<Stream>),
    /// The end of a process.
    ProcessEnd(Id<Process>),
    /// Another thread's unpark of this address.
    Word(u64),
    /// Work: the unmapping of a range.
    Unmapping,
    /// The end of all that came from a capability.
    Revocation,
}

impl Parked {
    /// True for what runs to its end once it has begun, whoever would have it otherwise.
    pub(crate) const fn is_irrevocable(self) -> bool {
        matches!(self, Parked::Unmapping | Parked::Revocation)
    }
}

/// An operation in progress.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) origin: Origin,
    pub(crate) parked: Parked,
}

/// Bytes that an operation costs: its record, and its place in the derivation tree.
const OPERATION_BYTES: u64 = Pool::<Operation>::entry_bytes() + USE_BYTES;

impl Kernel {
    /// Keeps the submission as an operation. With a node it ends as revoked when that dies: the one of the capability
    /// through which it came.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn park(
        &mut self,
        origin: &Origin,
        parked: Parked,
        node: Option<NodeId>,
    ) -> Result<Id<Operation>, Transport> {
        let bytes = OPERATION_BYTES;
        self.charge(origin.process, bytes)?;
        let Some(id) = insert(&mut self.operations, Operation { origin: *origin, parked }) else {
            self.refund(origin.process, bytes);
            return Err(Transport::OutOfMemory);
        };
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.push_back(&mut thread.operations, id.index());
        }
        if let Some(node) = node {
            self.nodes.attach_use(node, NodeUse::Operation(id.index()).number());
        }
        match parked {
            Parked::ConsoleTurn(stream) => self.retain_stream(stream),
            Parked::ProcessEnd(process) => self.retain_process(process),
            Parked::Sleep | Parked::Word(_) | Parked::Unmapping | Parked::Revocation => {}
        }
        if let Some(waiters) = self.waiters(&origin.process, parked) {
            let mut list = *waiters;
            self.wait_links.push_back(&mut list, id.index());
            self.set_waiters(&origin.process, parked, list);
        }
        Ok(id)
    }

    /// The list in which an operation of `process` waits.
    fn waiters(&self, process: &Id<Process>, parked: Parked) -> Option<&Waiters> {
        match parked {
            Parked::ConsoleTurn(_) => Some(&self.console.queue),
            Parked::ProcessEnd(awaited) => Some(&self.processes.get(awaited)?.waiters),
            Parked::Word(_) => Some(&self.processes.get(*process)?.parked),
            Parked::Sleep | Parked::Unmapping | Parked::Revocation => None,
        }
    }

    fn set_waiters(&mut self, process: &Id<Process>, parked: Parked, list: Waiters) {
        let place = match parked {
            Parked::ConsoleTurn(_) => Some(&mut self.console.queue),
            Parked::ProcessEnd(awaited) => {
                self.processes.get_mut(awaited).map(|process| &mut process.waiters)
            }
            Parked::Word(_) => self.processes.get_mut(*process).map(|process| &mut process.parked),
            Parked::Sleep | Parked::Unmapping | Parked::Revocation => None,
        };
        if let Some(place) = place {
            *place = list;
        }
    }

    /// Takes an operation out of everything it is in. No completion is written.
    pub(crate) fn take_operation(&mut self, id: Id<Operation>) -> Option<Operation> {
        let Operation { origin, parked } = *self.operations.get(id)?;
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        if let Some(waiters) = self.waiters(&origin.process, parked) {
            let mut list = *waiters;
            self.wait_links.remove(&mut list, id.index());
            self.set_waiters(&origin.process, parked, list);
        }
        self.timers.cancel(Kernel::operation_timer(id.index()));
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        match parked {
            Parked::ConsoleTurn(stream) => self.release_stream(stream),
            Parked::ProcessEnd(process) => self.release_process(process),
            Parked::Sleep | Parked::Word(_) | Parked::Unmapping | Parked::Revocation => {}
        }
        self.refund(origin.process, OPERATION_BYTES);
        self.operations.remove(id)
    }

    /// Completes an operation with bytes of reply and capabilities, or with an error.
    pub(crate) fn complete_operation(&mut self, id: Id<Operation>, result: Result<(u32, u8), CallError>) {
        let Some(operation) = self.take_operation(id) else { return };
        let user_data = operation.origin.submission.user_data;
        let completion = match result {
            Ok((length, capability_count)) => Completion { user_data, result: 0, capability_count, length },
            Err(error) => Completion::new(user_data, error.result()),
        };
        self.post(operation.origin.thread, &completion);
    }

    /// `cancel`: the operation completes as cancelled, and the cancel with 0. What a device or `work` has already begun runs
    /// to its end.
    pub(crate) fn cancel(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
        let mut next = thread.operations.first();
        while let Some(index) = next {
            next = self.operation_links.next(index);
            let Some(id) = self.operations.id_at(index) else { continue };
            let is_meant = self.operations.get(id).is_some_and(|operation| {
                operation.origin.submission.user_data == origin.submission.operand
                    && !operation.parked.is_irrevocable()
            });
            if is_meant {
                self.complete_operation(id, Err(Transport::Cancelled.into()));
                return Ok(Answer::DONE);
            }
        }
        Err(Transport::NotFound.into())
    }

    /// `park`: waits for an unpark of the word, if it still has the expected value.
    pub(crate) fn park_on_word(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let mut word = [0; 4];
        self.copy_from_user(origin.process, origin.submission.address, &mut word)?;
        if u64::from(u32::from_le_bytes(word)) != origin.submission.operand {
            return Err(Transport::ValueChanged.into());
        }
        self.park(origin, Parked::Word(origin.submission.address), None)?;
        Ok(Answer::Parked)
    }

    /// `unpark`: completes up to `operand` operations that are parked on the word, oldest first.
    pub(crate) fn unpark(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let address = origin.submission.address;
        let process = self.processes.get(origin.process).ok_or(Transport::Disconnected)?;
        let mut next = process.parked.first();
        let mut woken = 0u32;
        while let Some(index) = next.filter(|_| u64::from(woken) < origin.submission.operand) {
            next = self.wait_links.next(index);
            let Some(id) = self.operations.id_at(index) else { continue };
            let is_parked_here =
                self.operations.get(id).is_some_and(|operation| operation.parked == Parked::Word(address));
            if is_parked_here {
                self.complete_operation(id, Ok((0, 0)));
                woken += 1;
            }
        }
        Ok(Answer::Reply { length: 0, capabilities: 0, result: woken as i32 })
    }
}
