//! The direct way: a lone plain call to a server that waits, and the answer to a caller that waits.
//!
//! Almost every call between processes is one. Called by the scheduler's loop around ring 3 with a submission that
//! `calls::lone` has looked at and left in its ring; on success the other side runs at once, without the run queue. A path
//! of its own, so that what is rare costs nothing here.
//!
//! Invariant: whatever is not plain, would be refused or concerns a third party is left to the general way untouched. Both
//! ways leave the same records behind, so each half of a call may take either: here they are the ones that the threads keep
//! (`Thread::kept_call`, `Thread::kept_receive`), already charged for, in their lists and at their node. Nothing is
//! allocated, queued or left over, so the scheduler need not look around.

use super::receive::{call_of, token_of};
use super::{Endpoint, Minted};
use crate::calls::operation::{Operation, Parked};
use crate::kernel::{Kernel, NodeUse};
use crate::processes::thread::{Thread, ThreadState, Wait};
use capos_abi::handle::Handle;
use capos_abi::ring::{Completion, FLAG_RESULT_IN_AREA, RECEIVED_HEADER_BYTES, ReceivedHeader, Submission};
use capos_abi::system_call::DEADLINE_NEVER;
use capos_kernel_core::derivation::{NodeId, Tree};
use capos_kernel_core::pool::Id;

/// What a plain submission that is alone in its ring asks for. It came through a working capability that permits it.
pub(crate) struct Direct {
    pub(crate) to: Target,
    /// That of the capability.
    pub(crate) node: NodeId,
    /// Completions that its thread waits for, without a deadline: more than there are.
    pub(crate) completions: u64,
}

/// Whom the submission concerns.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A call to an object.
    Object(Id<Minted>),
    /// An answer, and the next call of an endpoint.
    Endpoint(Id<Endpoint>),
}

impl Thread {
    /// True if one more completion ends what the thread waits for, and nothing else must be looked after then.
    #[inline(always)]
    fn waits_for_one(&self) -> bool {
        // Anything that waits has too few.
        matches!(self.state, ThreadState::Waiting(wait)
            if wait.deadline == DEADLINE_NEVER && wait.completions == u64::from(self.ring.completions.ready()) + 1)
    }

    /// Takes the lone submission of the thread, which waits from now on.
    #[inline(always)]
    fn submit_and_wait(&mut self, completions: u64) {
        self.ring.completions.promise();
        self.ring.take_submission();
        self.ring.publish_taken();
        let wait = Wait { completions, deadline: DEADLINE_NEVER, timer: Handle::NULL };
        self.state = ThreadState::Waiting(wait);
    }

    /// Completes what the thread waits for, which goes on.
    #[inline(always)]
    fn complete_and_go_on(&mut self, user_data: u64, length: u32) {
        self.ring.post(&Completion { length, ..Completion::new(user_data, 0) });
        self.context.set_result(u64::from(self.ring.completions.ready()));
        self.state = ThreadState::Ready;
        self.wakes += 1;
    }
}

impl Operation {
    /// Makes a record that is kept a use of `node`, which it mostly is; false if that is dead.
    #[inline(always)]
    fn is_at(&mut self, node: NodeId, id: Id<Operation>, nodes: &mut Tree) -> bool {
        self.node == Some(node) || self.move_to(node, id, nodes)
    }

    #[cold]
    #[inline(never)]
    fn move_to(&mut self, node: NodeId, id: Id<Operation>, nodes: &mut Tree) -> bool {
        let is_moved = nodes.move_use(NodeUse::Operation(id.index()).number(), node);
        self.node = is_moved.then_some(node);
        is_moved
    }
}

impl Kernel {
    /// A call goes to the server that has waited longest, which runs now, if no other call waits. `None` leaves everything to
    /// the general way.
    #[inline(never)] // Its registers are not the loop's.
    pub(crate) fn call_directly(
        &mut self,
        caller: Id<Thread>,
        words: &[u64; 8],
        object: Id<Minted>,
        node: NodeId,
        completions: u64,
    ) -> Option<Id<Thread>> {
        let minted = self.minted.get_mut(object).filter(|minted| !minted.is_dead)?;
        let endpoint_id = minted.endpoint;
        let endpoint = self.endpoints.get_mut(endpoint_id)?;
        if endpoint.receivers == 0 || !endpoint.calls.is_empty() {
            return None;
        }
        let (receive_id, server_id) = endpoint.waiting?;
        let (client, server) = self.threads.get_two_mut(caller, server_id)?;
        let call_id = client.kept_call?;
        let (call, receive) = self.operations.get_two_mut(call_id, receive_id)?;
        let length = words[4] as u32;
        let to = &receive.origin.submission;
        let is_plain = matches!(call.parked, Parked::Kept)
            && server.waits_for_one()
            && RECEIVED_HEADER_BYTES as u32 + length <= to.result_capacity;
        let (payer, worker) = self.processes.get_two_mut(client.process, server.process)?;
        if !is_plain || !worker.has_no_calls() || !call.is_at(node, call_id, &mut self.nodes) {
            return None;
        }
        // What is in the server's buffer before its receive completes is nobody's concern.
        let header = ReceivedHeader {
            interface: words[1],
            method: (words[0] >> 16) as u16,
            capability_count: 0,
            cookie: minted.cookie,
            token: token_of(call_id),
            length,
        };
        let place = to.result_address;
        let is_written = server.ring.write_area_words(place, &header.encode())
            && (length == 0
                || server.ring.copy_area(
                    place + RECEIVED_HEADER_BYTES as u64,
                    &client.ring,
                    words[3],
                    length,
                ));
        if !is_written {
            return None;
        }
        Kernel::bill_call(payer, worker);
        worker.received_first = Some(call_id);
        minted.holders += 1;
        endpoint.waiting = None;
        receive.parked = Parked::Kept;
        call.origin.submission = Submission::of_plain_call(words);
        call.parked = Parked::Delivered { endpoint: endpoint_id, object, server: server.process };
        client.submit_and_wait(completions);
        server.complete_and_go_on(to.user_data, RECEIVED_HEADER_BYTES as u32 + length);
        Some(server_id)
    }

    /// An answer goes to its caller, which runs now, and its server waits for the next call, if nothing waits at the endpoint.
    /// `None` leaves everything to the general way.
    #[inline(never)] // As above.
    pub(crate) fn return_directly(
        &mut self,
        server_id: Id<Thread>,
        words: &[u64; 8],
        endpoint_id: Id<Endpoint>,
        node: NodeId,
        completions: u64,
    ) -> Option<Id<Thread>> {
        let endpoint = self.endpoints.get_mut(endpoint_id)?;
        let has_header_room = (words[4] >> 32) as usize >= RECEIVED_HEADER_BYTES;
        if !endpoint.is_quiet() || !has_header_room {
            return None;
        }
        let call_id = call_of(words[6])?;
        let caller = self.operations.get(call_id)?.origin.thread;
        let (server, client) = self.threads.get_two_mut(server_id, caller)?;
        let receive_id = server.kept_receive?;
        let (call, receive) = self.operations.get_two_mut(call_id, receive_id)?;
        let Parked::Delivered { object, .. } = call.parked else { return None };
        let worker = self.processes.get_mut(server.process)?;
        // The last one to hold the object takes it along.
        let minted = self.minted.get_mut(object).filter(|minted| minted.holders > 1)?;
        let length = words[4] as u32;
        let to = &call.origin.submission;
        let is_plain = worker.received_first == Some(call_id)
            && worker.received.is_empty()
            && matches!(receive.parked, Parked::Kept)
            && client.kept_call == Some(call_id)
            && client.waits_for_one()
            && to.flags & FLAG_RESULT_IN_AREA != 0
            && length <= to.result_capacity;
        if !is_plain || !receive.is_at(node, receive_id, &mut self.nodes) {
            return None;
        }
        if length != 0 && !client.ring.copy_area(to.result_address, &server.ring, words[3], length) {
            return None;
        }
        // It has no other call in its hands: it works for itself now.
        worker.processor.payer = server.process;
        worker.received_first = None;
        minted.holders -= 1;
        endpoint.waiting = Some((receive_id, server_id));
        receive.origin.submission = Submission::of_plain_return(words);
        receive.parked = Parked::Receive(endpoint_id);
        call.parked = Parked::Kept;
        server.submit_and_wait(completions);
        client.complete_and_go_on(to.user_data, length);
        client.kept_call = self.operations.renew(call_id);
        Some(caller)
    }
}
