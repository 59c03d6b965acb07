//! Who waits at an endpoint, and which calls a server has in its hands.
//!
//! Most servers have one thread with one receive, and one call at a time. So the first of each kind has a place of its own in
//! front of the queue, and the direct way looks there only. Called by `calls::operation` when an operation begins or ends to
//! wait, by `receive` and `events` for who is next, and by `billing`.
//!
//! Invariant: what is in a place in front came before everything in the queue behind it.

use super::Endpoint;
use crate::calls::operation::Operation;
use crate::kernel::Kernel;
use crate::processes::Process;
use capos_kernel_core::pool::Id;

impl Kernel {
    /// The receive that has its turn.
    pub(super) fn first_receive(&mut self, id: Id<Endpoint>) -> Option<Id<Operation>> {
        self.settle_endpoint(id);
        let endpoint = self.endpoints.get(id)?;
        let queued = || self.queued_operation(self.fair.first(&endpoint.receives)?);
        endpoint.front.or_else(queued)
    }

    /// The oldest receive of `server`.
    pub(super) fn first_receive_of(
        &mut self,
        id: Id<Endpoint>,
        server: Id<Process>,
    ) -> Option<Id<Operation>> {
        self.settle_endpoint(id);
        let endpoint = self.endpoints.get(id)?;
        let is_its =
            |id: &Id<Operation>| self.operations.get(*id).is_some_and(|one| one.origin.process == server);
        let queued = || self.queued_operation(self.fair.first_of(&endpoint.receives, server.index())?);
        endpoint.front.filter(is_its).or_else(queued)
    }

    /// A receive of `process` begins to wait.
    pub(crate) fn add_receive(&mut self, id: Id<Endpoint>, receive: Id<Operation>, process: Id<Process>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        if endpoint.has_no_receives() {
            endpoint.front = Some(receive);
        } else {
            let element = Kernel::operation_element(receive.index());
            self.fair.push(&mut endpoint.receives, element, process.index());
        }
    }

    /// A receive waits no more.
    pub(crate) fn remove_receive(&mut self, id: Id<Endpoint>, receive: Id<Operation>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        if endpoint.front == Some(receive) {
            endpoint.front = None;
        } else {
            self.fair.remove(&mut endpoint.receives, Kernel::operation_element(receive.index()));
        }
    }

    /// The oldest call that `server` has in its hands.
    pub(crate) fn first_received(&mut self, server: Id<Process>) -> Option<Id<Operation>> {
        if let Some(caller) = self.processes.get(server)?.direct_caller {
            self.settle_exchange(caller);
        }
        let process = self.processes.get(server)?;
        process.received_first.or_else(|| self.operations.id_at(process.received.first()?))
    }

    /// `server` has received a call.
    pub(crate) fn add_received(&mut self, server: Id<Process>, call: Id<Operation>) {
        let Some(process) = self.processes.get_mut(server) else { return };
        if process.has_no_calls() {
            process.received_first = Some(call);
        } else {
            self.wait_links.push_back(&mut process.received, call.index());
        }
    }

    /// `server` has a call in its hands no more.
    pub(crate) fn remove_received(&mut self, server: Id<Process>, call: Id<Operation>) {
        let Some(process) = self.processes.get_mut(server) else { return };
        if process.received_first == Some(call) {
            process.received_first = None;
        } else {
            self.wait_links.remove(&mut process.received, call.index());
        }
        self.end_serving(server);
    }
}

impl Process {
    /// True if it has no call in its hands.
    pub(super) const fn has_no_calls(&self) -> bool {
        self.direct_caller.is_none() && self.received_first.is_none() && self.received.is_empty()
    }
}
