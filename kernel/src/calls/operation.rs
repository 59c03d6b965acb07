//! Operations in progress: what was accepted and cannot be answered yet.
//!
//! A record per operation, charged to its process, in the list of its thread and in the list of what it waits for. Called by
//! the objects that park, by timers and devices that complete, by cancel and by ends of processes.
//!
//! Invariant: an operation leaves all its lists, its timer and its charge in one place, [`Kernel::take_operation`]; its
//! completion entry was promised when it was accepted.

use super::{Answer, Origin};
use crate::devices::Session;
use crate::endpoints::{Endpoint, Minted};
use crate::holdings::Kind;
use crate::kernel::{Kernel, NodeUse, Waiters};
use crate::objects::notification::Notification;
use crate::processes::Process;
use crate::processes::thread::RecordKind;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::Completion;
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::list::Links;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::frames;

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The clock.
    Sleep,
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
    /// Nothing: the call or receive has completed, and the record, its thread's own, waits for the next one.
    Kept,
    /// The interrupt of a device.
    Interrupt(Session),
}

impl Parked {
    /// False for what runs to its end once it has begun, whoever would have it otherwise, and for what has ended.
    pub(crate) const fn can_be_cancelled(self) -> bool {
        !matches!(self, Parked::Unmapping | Parked::Revocation | Parked::Kept)
    }

    /// Which of the records that a thread keeps may hold it.
    const fn kind(self) -> Option<RecordKind> {
        match self {
            Parked::Queued { .. } | Parked::Delivered { .. } => Some(RecordKind::Call),
            Parked::Receive(_) => Some(RecordKind::Receive),
            _ => None,
        }
    }
}

/// What an operation will be kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// A new record, charged for.
    Charged,
    /// A new record that is paid for with the thread: its own from now on, or that of an unmapping.
    Own,
    /// The thread's own, which it has.
    Kept(Id<Operation>),
}

/// An operation in progress.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) origin: Origin,
    pub(crate) parked: Parked,
    /// Where it is a use in the derivation tree, if anywhere.
    pub(crate) node: Option<NodeId>,
}

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
        let reserved = match parked {
            // Whoever has used up all that it may have must be able to give some back.
            Parked::Unmapping if !frames::is_refused() => Reserved::Own,
            _ => self.reserve_operation(origin, parked.kind())?,
        };
        self.park_reserved(origin, parked, node, reserved)
    }

    /// Makes sure that an operation can be kept: charges for one, unless the thread's own record of this kind is free.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn reserve_operation(
        &mut self,
        origin: &Origin,
        kind: Option<RecordKind>,
    ) -> Result<Reserved, Transport> {
        if kind.is_some() {
            self.settle_exchange(origin.thread);
        }
        let own = kind.zip(self.threads.get(origin.thread)).map(|(kind, thread)| thread.kept(kind));
        let reserved = match own {
            Some(None) => Reserved::Own,
            Some(Some(id)) if self.is_kept(id) => return Ok(Reserved::Kept(id)),
            _ => {
                self.take_entries(origin.process, Kind::Operation, 1)?;
                Reserved::Charged
            }
        };
        if frames::is_refused() {
            self.cancel_operation_reserve(origin.process, reserved);
            return Err(Transport::OutOfMemory);
        }
        Ok(reserved)
    }

    /// True for a thread's own record that is not in use.
    fn is_kept(&self, id: Id<Operation>) -> bool {
        self.operations.get(id).is_some_and(|operation| operation.parked == Parked::Kept)
    }

    /// Takes back what [`Kernel::reserve_operation`] did.
    pub(crate) fn cancel_operation_reserve(&mut self, process: Id<Process>, reserved: Reserved) {
        if matches!(reserved, Reserved::Charged) {
            self.return_entries(process, Kind::Operation, 1);
        }
    }

    /// Keeps the submission as an operation for which there is room.
    ///
    /// # Errors
    /// "out of memory"; what was reserved has then been taken back.
    pub(crate) fn park_reserved(
        &mut self,
        origin: &Origin,
        parked: Parked,
        node: Option<NodeId>,
        reserved: Reserved,
    ) -> Result<Id<Operation>, Transport> {
        if let Reserved::Kept(id) = reserved {
            return Ok(self.reuse_record(id, origin, parked, node));
        }
        let Some(id) = self.operations.insert(Operation { origin: *origin, parked, node }) else {
            self.cancel_operation_reserve(origin.process, reserved);
            return Err(Transport::OutOfMemory);
        };
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.push_back(&mut thread.operations, id.index());
            if reserved == Reserved::Own
                && let Some(kind) = parked.kind()
            {
                *thread.kept_mut(kind) = Some(id);
            }
        }
        if let Some(node) = node {
            self.nodes.attach_use(node, NodeUse::Operation(id.index()).number());
        }
        match parked {
            Parked::ProcessEnd(process) => self.retain_process(process),
            Parked::Bits { notification, .. } => self.count_wait(notification, true),
            Parked::Queued { object, .. } | Parked::Delivered { object, .. } => self.retain_minted(object),
            _ => {}
        }
        self.join(id, origin.process, parked);
        Ok(id)
    }

    /// Keeps the submission in its thread's own record.
    fn reuse_record(
        &mut self,
        id: Id<Operation>,
        origin: &Origin,
        parked: Parked,
        node: Option<NodeId>,
    ) -> Id<Operation> {
        if let Some(kind) = parked.kind() {
            self.set_record_free(id, kind, false);
        }
        if let Some(operation) = self.operations.get_mut(id) {
            let before = operation.node;
            *operation = Operation { origin: *origin, parked, node };
            if let Some(node) = node.filter(|_| before != node) {
                self.nodes.move_use(NodeUse::Operation(id.index()).number(), node);
            }
        }
        if let Parked::Queued { object, .. } | Parked::Delivered { object, .. } = parked {
            self.retain_minted(object);
        }
        self.join(id, origin.process, parked);
        id
    }

    /// A call waits for something else from now on.
    pub(crate) fn repark(&mut self, id: Id<Operation>, parked: Parked) {
        let Some(Operation { origin, parked: before, .. }) = self.operations.get(id).copied() else { return };
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
            Parked::Receive(endpoint) => self.add_receive(endpoint, id, process),
            Parked::Delivered { server, .. } => self.add_received(server, id),
            _ => {
                if let Some((links, waiters)) = self.waiters(process, parked) {
                    links.push_back(waiters, id.index());
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
            Parked::Receive(endpoint) => self.remove_receive(endpoint, id),
            Parked::Delivered { server, .. } | Parked::Abandoned { server, .. } => {
                self.remove_received(server, id);
            }
            _ => {
                if let Some((links, waiters)) = self.waiters(process, parked) {
                    links.remove(waiters, id.index());
                }
            }
        }
    }

    /// The list in which an operation of `process` waits, and the links of all such lists.
    fn waiters(&mut self, process: Id<Process>, parked: Parked) -> Option<(&mut Links, &mut Waiters)> {
        let list = match parked {
            Parked::Seed => &mut self.seed_waiter,
            Parked::ProcessEnd(awaited) => &mut self.processes.get_mut(awaited)?.waiters,
            Parked::Bits { notification, .. } => &mut self.notifications.get_mut(notification)?.waiters,
            Parked::Interrupt(session) => &mut self.devices.get_mut(usize::from(session.device))?.waiters,
            Parked::Word(_) => &mut self.processes.get_mut(process)?.parked,
            _ => return None,
        };
        Some((&mut self.wait_links, list))
    }

    /// Takes a receive that has got something out of everything it is in.
    pub(crate) fn end_receive(&mut self, id: Id<Operation>, origin: &Origin, endpoint: Id<Endpoint>) {
        self.remove_receive(endpoint, id);
        self.end_record(id, origin, RecordKind::Receive);
    }

    /// Takes a call that `server` has answered out of everything it is in.
    pub(crate) fn end_call(
        &mut self,
        id: Id<Operation>,
        call: &Operation,
        object: Id<Minted>,
        server: Id<Process>,
    ) {
        self.remove_received(server, id);
        self.end_record(id, &call.origin, RecordKind::Call);
        self.release_minted(object);
    }

    /// What is left when an operation has left the list in which it waited. The thread's own record stays with it, in its
    /// place among its operations and in the derivation tree, so that the next one finds all that done; its id reaches
    /// nothing from now on.
    fn end_record(&mut self, id: Id<Operation>, origin: &Origin, kind: RecordKind) {
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            let own = thread.kept_mut(kind);
            if *own == Some(id) {
                *own = self.operations.renew(id);
                let Some(id) = *own else { return };
                if let Some(record) = self.operations.get_mut(id) {
                    record.parked = Parked::Kept;
                }
                self.set_record_free(id, kind, true);
                return;
            }
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        self.return_entries(origin.process, Kind::Operation, 1);
        self.operations.discard(id);
    }

    /// The charge for a record that goes ends, unless it is its thread's own.
    fn end_operation_charge(&mut self, id: Id<Operation>, origin: &Origin) {
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            if thread.kept_call == Some(id) {
                (thread.kept_call, thread.exchange.call_node) = (None, None);
                return;
            }
            if thread.kept_receive == Some(id) {
                (thread.kept_receive, thread.exchange.receive_node) = (None, None);
                return;
            }
        }
        self.return_entries(origin.process, Kind::Operation, 1);
    }

    /// Takes an operation out of everything it is in. No completion is written.
    pub(crate) fn take_operation(&mut self, id: Id<Operation>) -> Option<Operation> {
        let Operation { origin, parked, .. } = *self.operations.get(id)?;
        if let Some(thread) = self.threads.get_mut(origin.thread) {
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        self.leave(id, origin.process, parked);
        if parked == Parked::Sleep {
            self.timers.cancel(Kernel::operation_timer(id.index()));
        }
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        match parked {
            Parked::ProcessEnd(process) => self.release_process(process),
            Parked::Bits { notification, .. } => self.count_wait(notification, false),
            Parked::Abandoned { endpoint, .. } => {
                self.drop_event(endpoint, Kernel::operation_element(id.index()));
            }
            _ => {}
        }
        if parked != Parked::Unmapping {
            self.end_operation_charge(id, &origin);
        }
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
        self.settle_exchange(origin.thread);
        let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
        let mut next = thread.operations.first();
        while let Some(index) = next {
            next = self.operation_links.next(index);
            let Some(id) = self.operations.id_at(index) else { continue };
            let is_meant = self.operations.get(id).is_some_and(|operation| {
                operation.origin.submission.user_data == origin.submission.operand
                    && operation.parked.can_be_cancelled()
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
