//! Operations in progress: what was accepted and cannot be answered yet.
//!
//! A record per operation, charged to its process, in the list of its thread and in the list of what it waits for. Called by
//! the objects that park, by timers and devices that complete, by cancel and by ends of processes.
//!
//! Invariant: an operation leaves all its lists, its timer and its charge in one place, [`Kernel::take_operation`]; its
//! completion entry was promised when it was accepted.

use super::{Answer, Origin};
use crate::endpoints::{Endpoint, Minted};
use crate::kernel::{Kernel, NodeUse, Waiters};
use crate::objects::console::Stream;
use crate::objects::notification::Notification;
use crate::processes::Process;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::Completion;
use capos_kernel_core::derivation::{NodeId, USE_BYTES};
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_hal::frames;

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The clock.
    Sleep,
    /// Its turn at the console.
    ConsoleTurn(Id<Stream>),
    /// The seed of the random generator.
    Seed,
    /// The end of a process.
    ProcessEnd(Id<Process>),
    /// Another thread's unpark of this address.
    Word(u64),
    /// Work: the unmapping of a range.
    Unmapping,
    /// The end of all that came from a capability.
    Revocation,
    /// A call to an object of an endpoint, which no receive has taken.
    Queued { endpoint: Id<Endpoint>, object: Id<Minted> },
    /// A call that `server` has received.
    Delivered { endpoint: Id<Endpoint>, object: Id<Minted>, server: Id<Process> },
    /// A call that `server` has received and its caller has given up: it is an operation of no thread any more, charged to
    /// its caller or whoever inherits from it, until the server is told.
    Abandoned { endpoint: Id<Endpoint>, server: Id<Process> },
    /// A receive at an endpoint, which has got nothing.
    Receive(Id<Endpoint>),
    /// A bit of the mask.
    Bits { notification: Id<Notification>, mask: u64 },
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

impl Kernel {
    /// Bytes that an operation costs: its record, and its place in the derivation tree.
    pub(crate) const OPERATION_BYTES: u64 = Pool::<Operation>::entry_bytes() + USE_BYTES;

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
        self.reserve_operation(origin.process)?;
        self.park_reserved(origin, parked, node)
    }

    /// Charges for an operation.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn reserve_operation(&mut self, process: Id<Process>) -> Result<(), Transport> {
        self.charge(process, Kernel::OPERATION_BYTES)?;
        if frames::is_refused() {
            self.cancel_operation_reserve(process);
            return Err(Transport::OutOfMemory);
        }
        Ok(())
    }

    /// Takes back what [`Kernel::reserve_operation`] charged.
    pub(crate) fn cancel_operation_reserve(&mut self, process: Id<Process>) {
        self.refund(process, Kernel::OPERATION_BYTES);
    }

    /// Keeps the submission as an operation that was charged for.
    ///
    /// # Errors
    /// "out of memory"; the charge has then been taken back.
    pub(crate) fn park_reserved(
        &mut self,
        origin: &Origin,
        parked: Parked,
        node: Option<NodeId>,
    ) -> Result<Id<Operation>, Transport> {
        let Some(id) = self.operations.insert(Operation { origin: *origin, parked }) else {
            self.cancel_operation_reserve(origin.process);
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
            Parked::Bits { notification, .. } => self.count_wait(notification, true),
            Parked::Queued { object, .. } | Parked::Delivered { object, .. } => self.retain_minted(object),
            _ => {}
        }
        self.join(id, origin.process, parked);
        Ok(id)
    }

    /// A call waits for something else from now on.
    pub(crate) fn repark(&mut self, id: Id<Operation>, parked: Parked) {
        let Some(Operation { origin, parked: before }) = self.operations.get(id).copied() else { return };
        self.leave(id, origin.process, before);
        if let Some(operation) = self.operations.get_mut(id) {
            operation.parked = parked;
        }
        self.join(id, origin.process, parked);
    }

    /// Puts an operation of `process` into the list in which it waits.
    fn join(&mut self, id: Id<Operation>, process: Id<Process>, parked: Parked) {
        match parked {
            Parked::Queued { endpoint, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    self.fair.push(
                        &mut endpoint.calls,
                        Kernel::operation_element(id.index()),
                        process.index(),
                    );
                }
            }
            Parked::Receive(endpoint) => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    self.fair.push(
                        &mut endpoint.receives,
                        Kernel::operation_element(id.index()),
                        process.index(),
                    );
                }
            }
            _ => {
                if let Some(waiters) = self.waiters(&process, parked) {
                    let mut list = *waiters;
                    self.wait_links.push_back(&mut list, id.index());
                    self.set_waiters(&process, parked, list);
                }
            }
        }
    }

    /// Takes an operation of `process` out of the list in which it waits.
    fn leave(&mut self, id: Id<Operation>, process: Id<Process>, parked: Parked) {
        match parked {
            Parked::Queued { endpoint, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    self.fair.remove(&mut endpoint.calls, Kernel::operation_element(id.index()));
                }
            }
            Parked::Receive(endpoint) => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    self.fair.remove(&mut endpoint.receives, Kernel::operation_element(id.index()));
                }
            }
            _ => {
                if let Some(waiters) = self.waiters(&process, parked) {
                    let mut list = *waiters;
                    self.wait_links.remove(&mut list, id.index());
                    self.set_waiters(&process, parked, list);
                }
                if let Parked::Delivered { server, .. } | Parked::Abandoned { server, .. } = parked {
                    self.end_serving(server);
                }
            }
        }
    }

    /// The list in which an operation of `process` waits.
    fn waiters(&self, process: &Id<Process>, parked: Parked) -> Option<&Waiters> {
        match parked {
            Parked::ConsoleTurn(_) => Some(&self.console.queue),
            Parked::Seed => Some(&self.seed_waiter),
            Parked::ProcessEnd(awaited) => Some(&self.processes.get(awaited)?.waiters),
            Parked::Bits { notification, .. } => Some(&self.notifications.get(notification)?.waiters),
            Parked::Word(_) => Some(&self.processes.get(*process)?.parked),
            Parked::Delivered { server, .. } | Parked::Abandoned { server, .. } => {
                Some(&self.processes.get(server)?.received)
            }
            _ => None,
        }
    }

    fn set_waiters(&mut self, process: &Id<Process>, parked: Parked, list: Waiters) {
        let place = match parked {
            Parked::ConsoleTurn(_) => Some(&mut self.console.queue),
            Parked::Seed => Some(&mut self.seed_waiter),
            Parked::ProcessEnd(awaited) => {
                self.processes.get_mut(awaited).map(|process| &mut process.waiters)
            }
            Parked::Bits { notification, .. } => {
                self.notifications.get_mut(notification).map(|notification| &mut notification.waiters)
            }
            Parked::Word(_) => self.processes.get_mut(*process).map(|process| &mut process.parked),
            Parked::Delivered { server, .. } | Parked::Abandoned { server, .. } => {
                self.processes.get_mut(server).map(|process| &mut process.received)
            }
            _ => None,
        };
        if let Some(place) = place {
            *place = list;
        }
    }

    /// Takes a receive that has got something out of everything it is in.
    pub(crate) fn end_receive(&mut self, id: Id<Operation>, origin: &Origin, endpoint: Id<Endpoint>) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            self.fair.remove(&mut endpoint.receives, Kernel::operation_element(id.index()));
        }
        self.end_record(id, origin);
    }

    /// Takes a call that `server` has answered out of everything it is in.
    pub(crate) fn end_call(&mut self, id: Id<Operation>, call: &Operation, server: Id<Process>) {
        if let Some(process) = self.processes.get_mut(server) {
            self.wait_links.remove(&mut process.received, id.index());
        }
        self.end_serving(server);
        self.end_record(id, &call.origin);
        if let Parked::Delivered { object, .. } = call.parked {
            self.release_minted(object);
        }
    }

    /// What is left when an operation has left the list in which it waited.
    fn end_record(&mut self, id: Id<Operation>, origin: &Origin) {
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        self.refund(origin.process, Kernel::OPERATION_BYTES);
        self.operations.discard(id);
    }

    /// Takes an operation out of everything it is in. No completion is written.
    pub(crate) fn take_operation(&mut self, id: Id<Operation>) -> Option<Operation> {
        let Operation { origin, parked } = *self.operations.get(id)?;
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        self.leave(id, origin.process, parked);
        if parked == Parked::Sleep {
            self.timers.cancel(Kernel::operation_timer(id.index()));
        }
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        match parked {
            Parked::ConsoleTurn(stream) => self.release_stream(stream),
            Parked::ProcessEnd(process) => self.release_process(process),
            Parked::Bits { notification, .. } => self.count_wait(notification, false),
            Parked::Abandoned { endpoint, .. } => {
                self.drop_event(endpoint, Kernel::operation_element(id.index()));
            }
            _ => {}
        }
        self.refund(origin.process, Kernel::OPERATION_BYTES);
        let taken = self.operations.remove(id);
        if let Parked::Queued { object, .. } | Parked::Delivered { object, .. } = parked {
            self.release_minted(object);
        }
        taken
    }

    /// Completes an operation for its submitter, with bytes of reply and capabilities, or with an error. A call that a
    /// server has received is given up.
    pub(crate) fn complete_operation(&mut self, id: Id<Operation>, result: Result<(u32, u8), CallError>) {
        let Some(operation) = self.withdraw(id) else { return };
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
