//! Between the direct way and the general one: what a thread has under way is brought into its own records, and back.
//!
//! Called by whatever reaches a record by another way than its thread's next lone submission: a token, a list of
//! operations, a node of the derivation tree, a queue, the calls in a server's hands.
//!
//! Invariant: behind [`Kernel::settle_exchange`] the records of the thread say everything. Both are a constant number of
//! steps, allocate nothing and charge nothing.

use super::Endpoint;
use super::receive::{call_of, token_of};
use crate::calls::operation::{Operation, Parked};
use crate::kernel::Kernel;
use crate::processes::exchange::State;
use crate::processes::thread::{RecordKind, Thread};
use capos_abi::ring::{FLAG_RESULT_IN_AREA, Opcode};
use capos_kernel_core::pool::Id;

impl Kernel {
    /// Brings what the thread has under way on the direct way into its own records.
    pub(crate) fn settle_exchange(&mut self, id: Id<Thread>) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let exchange = &mut thread.exchange;
        if exchange.call_node.is_some()
            && let Some((own, now)) = thread.kept_call.zip(call_of(exchange.token))
        {
            thread.kept_call = self.operations.renew_as(own, now);
        }
        match core::mem::replace(&mut exchange.state, State::Idle) {
            State::Idle => {}
            State::Calls { object, server } => {
                exchange.call_node = None;
                let submission = exchange.submission(Opcode::Call);
                if let Some(endpoint) = self.minted.get(object).map(|minted| minted.endpoint)
                    && let Some(record) = thread.kept_call.and_then(|call| self.operations.get_mut(call))
                {
                    record.origin.submission = submission;
                    record.parked = Parked::Delivered { endpoint, object, server };
                }
                if let Some(process) = self.processes.get_mut(server) {
                    process.direct_caller = None;
                    process.received_first = thread.kept_call;
                }
                // So far the caller's capability held it.
                self.retain_minted(object);
            }
            State::Receives(endpoint) => {
                exchange.receive_node = None;
                let submission = exchange.submission(Opcode::ReturnAndReceive);
                if let Some(record) = thread.kept_receive.and_then(|one| self.operations.get_mut(one)) {
                    record.origin.submission = submission;
                    record.parked = Parked::Receive(endpoint);
                }
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.waiting = None;
                    endpoint.front = thread.kept_receive;
                }
            }
        }
    }

    /// The same for the thread whose own record this is, if it is one that the direct way may be using.
    pub(crate) fn settle_record(&mut self, index: u32) {
        let record = self.operations.id_at(index).and_then(|id| self.operations.get(id));
        if let Some(thread) = record.filter(|one| one.parked == Parked::Kept).map(|one| one.origin.thread) {
            self.settle_exchange(thread);
        }
    }

    /// The same for who waits at the endpoint.
    pub(super) fn settle_endpoint(&mut self, id: Id<Endpoint>) {
        if let Some(thread) = self.endpoints.get(id).and_then(|endpoint| endpoint.waiting) {
            self.settle_exchange(thread);
        }
    }

    /// Opens the direct way to a receive that waits in front of all others, if the record is its thread's own and the buffer lies
    /// in the message area.
    pub(super) fn open_direct_way(&mut self, id: Id<Endpoint>, receive: Id<Operation>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let Some(record) = self.operations.get_mut(receive) else { return };
        let Some(thread) = self.threads.get_mut(record.origin.thread) else { return };
        let is_plain = endpoint.front == Some(receive)
            && thread.kept_receive == Some(receive)
            && thread.exchange.state == State::Idle
            && record.origin.submission.flags & FLAG_RESULT_IN_AREA != 0;
        if !is_plain {
            return;
        }
        thread.exchange.keep_result(&record.origin.submission);
        thread.exchange.state = State::Receives(id);
        thread.exchange.receive_node = record.node;
        record.parked = Parked::Kept;
        endpoint.front = None;
        endpoint.waiting = Some(record.origin.thread);
    }

    /// The thread's own record of this kind, which has this id now, is free from now on, or not.
    pub(crate) fn set_record_free(&mut self, id: Id<Operation>, kind: RecordKind, is_free: bool) {
        let Some(record) = self.operations.get(id) else { return };
        let Some(thread) = self.threads.get_mut(record.origin.thread) else { return };
        let node = record.node.filter(|_| is_free);
        match kind {
            RecordKind::Call => (thread.exchange.call_node, thread.exchange.token) = (node, token_of(id)),
            RecordKind::Receive => thread.exchange.receive_node = node,
        }
    }
}
