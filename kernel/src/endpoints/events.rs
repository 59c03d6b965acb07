//! What a server must be told without a call: "unreferenced" and "abandoned".
//!
//! Called when the last capability of a minted object goes and when a caller gives up a call that was delivered. The record
//! that an event is about stays until the event is told, so nothing is allocated when it happens.
//!
//! Invariant: an event is told once, to the process that it concerns, by its next receive at that endpoint; or it goes with
//! that process, with the endpoint, or with a late return.

use super::Endpoint;
use crate::calls::operation::{Operation, Parked};
use crate::kernel::{ElementOwner, Kernel, NodeUse};
use crate::processes::Process;
use capos_abi::ring::{
    EVENT_ABANDONED, EVENT_UNREFERENCED, KERNEL_INTERFACE, RECEIVED_HEADER_BYTES, ReceivedHeader,
};
use capos_kernel_core::pool::Id;

use super::receive::token_of;

impl Kernel {
    /// Takes an operation from its thread: a call that a server has received becomes an event for it, everything else is
    /// gone. No completion is written.
    pub(crate) fn withdraw(&mut self, id: Id<Operation>) -> Option<Operation> {
        let operation = *self.operations.get(id)?;
        let Parked::Delivered { endpoint, object, server } = operation.parked else {
            return self.take_operation(id);
        };
        if !self.is_open(endpoint) {
            return self.take_operation(id);
        }
        if let Some(thread) = self.threads.get_mut(operation.origin.thread) {
            self.operation_links.remove(&mut thread.operations, id.index());
        }
        if let Some(process) = self.processes.get_mut(operation.origin.process) {
            process.has_lent = true;
        }
        if let Some(operation) = self.operations.get_mut(id) {
            operation.parked = Parked::Abandoned { endpoint, server };
        }
        self.nodes.detach_use(NodeUse::Operation(id.index()).number());
        self.add_event(endpoint, Kernel::operation_element(id.index()), server);
        self.release_minted(object);
        Some(operation)
    }

    /// Tells `server` of an event, now if it waits for anything at the endpoint; false if there is no such endpoint.
    pub(super) fn add_event(&mut self, id: Id<Endpoint>, element: u32, server: Id<Process>) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return false };
        if !self.fair.push(&mut endpoint.events, element, server.index()) {
            return false;
        }
        if let Some(receive) = self.first_receive_of(id, server) {
            self.tell(id, element, receive);
        }
        true
    }

    /// Writes an event as what a receive got, and forgets it.
    pub(super) fn tell(&mut self, endpoint: Id<Endpoint>, element: u32, receive: Id<Operation>) {
        let Some(to) = self.operations.get(receive).map(|operation| operation.origin) else { return };
        if let Err(error) = self.prepare_result(&to, RECEIVED_HEADER_BYTES) {
            return self.complete_operation(receive, Err(error.into()));
        }
        let (method, cookie, token) = match Kernel::element_owner(element) {
            ElementOwner::Minted(index) => {
                let minted = self.minted.id_at(index).and_then(|id| self.minted.get(id));
                let (cookie, number) = minted.map_or((0, 0), |minted| (minted.cookie, minted.number));
                (EVENT_UNREFERENCED, cookie, number)
            }
            ElementOwner::Operation(index) => {
                (EVENT_ABANDONED, 0, self.operations.id_at(index).map_or(0, token_of))
            }
        };
        let interface = KERNEL_INTERFACE;
        let header = ReceivedHeader { interface, method, capability_count: 0, cookie, token, length: 0 };
        self.forget_event(endpoint, element);
        self.finish_receive(receive, &header);
    }

    /// The operation that an element stands for.
    pub(super) fn queued_operation(&self, element: u32) -> Option<Id<Operation>> {
        match Kernel::element_owner(element) {
            ElementOwner::Operation(index) => self.operations.id_at(index),
            ElementOwner::Minted(_) => None,
        }
    }

    /// Takes an event out of its queue, and the record that it is about out of the world.
    pub(super) fn forget_event(&mut self, endpoint: Id<Endpoint>, element: u32) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            self.fair.serve(&mut endpoint.events, element);
        }
        match Kernel::element_owner(element) {
            ElementOwner::Minted(index) => {
                if let Some(id) = self.minted.id_at(index) {
                    self.remove_minted(id);
                }
            }
            ElementOwner::Operation(index) => {
                if let Some(id) = self.operations.id_at(index) {
                    self.take_operation(id);
                }
            }
        }
    }

    /// Takes an event out of its queue, if it is in one: what it is about is going anyway.
    pub(crate) fn drop_event(&mut self, endpoint: Id<Endpoint>, element: u32) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            self.fair.remove(&mut endpoint.events, element);
        }
    }
}
