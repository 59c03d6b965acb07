//! The direct way: a lone plain call to a server that waits, and the answer to a caller that waits.
//!
//! Almost every call between processes is one. Called by the scheduler's loop around ring 3 with a submission that
//! `calls::lone` has looked at and left in its ring; on success the other side runs at once, without the run queue. A path
//! of its own, so that what is rare costs nothing here.
//!
//! Invariant: whatever is not plain, would be refused or concerns a third party is left to the general way untouched. What is
//! under way is kept in the threads (`processes::exchange`) until the general way asks for it (`settling`), so each half of a
//! call may take either. Nothing is allocated, charged, queued or left over, so the scheduler need not look around.

use super::{Endpoint, Minted};
use crate::calls::operation::Operation;
use crate::kernel::{Kernel, NodeUse};
use crate::processes::Process;
use crate::processes::exchange::{Exchange, State};
use crate::processes::thread::{Thread, ThreadState, Wait};
use capos_abi::handle::Handle;
use capos_abi::ring::{HEAD_WORDS, RECEIVED_HEADER_BYTES, ReceivedHeader, has_plain_buffers};
use capos_abi::system_call::DEADLINE_NEVER;
use capos_kernel_core::derivation::{NodeId, Tree};
use capos_kernel_core::pool::{Id, Pool};

/// The submission's other words.
type Rest = [u64; 8 - HEAD_WORDS];

impl Exchange {
    /// The call is over: its token names nothing any more.
    #[inline(always)]
    const fn end_call(&mut self) {
        const GENERATION: u64 = 1 << 32;
        self.state = State::Idle;
        let next = self.token.wrapping_add(GENERATION);
        self.token = if next < GENERATION { next + GENERATION } else { next };
    }
}

impl Thread {
    /// True if the thread waits. With something under way on the direct way, one completion ends that: it waits for one more
    /// than there were, and any would have woken it.
    #[inline(always)]
    const fn waits(&self) -> bool {
        matches!(self.state, ThreadState::Waiting(_))
    }

    /// Takes the lone submission of the thread, whose last words these are, and which waits from now on.
    #[inline(always)]
    fn submit_and_wait(&mut self, [user_data, _, lengths, result_address, _, lists]: &Rest) {
        let exchange = &mut self.exchange;
        (exchange.user_data, exchange.lengths) = (*user_data, *lengths);
        (exchange.result_address, exchange.lists) = (*result_address, *lists);
        self.ring.completions.promise();
        self.ring.take_submission();
        self.ring.publish_taken();
        let (_, [completions, ..]) = self.context.system_call();
        let wait = Wait { completions, deadline: DEADLINE_NEVER, timer: Handle::NULL };
        self.state = ThreadState::Waiting(wait);
    }

    /// Completes what the thread waits for, which goes on.
    #[inline(always)]
    fn complete_and_go_on(&mut self, length: u32) {
        self.ring.post_message(self.exchange.user_data, length);
        self.context.set_result(u64::from(self.ring.completions.ready()));
        self.state = ThreadState::Ready;
        self.wakes += 1;
    }
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It is there, and its receiver goes on.
    Yes,
    /// Nothing has changed: it is for the general way.
    No,
    /// Likewise, because the sender's own record is a use of another node.
    Elsewhere,
}

/// Lets the lone call of `client` arrive at `server`, which waits for it.
#[inline(never)] // In registers of its own.
fn send(client: &mut Thread, server: &mut Thread, minted: &Minted, node: NodeId, method: u16) -> Sent {
    if !server.waits() || client.exchange.state != State::Idle {
        return Sent::No;
    }
    if client.exchange.call_node != Some(node) {
        return Sent::Elsewhere;
    }
    let Some(rest) = client.ring.submission_rest() else { return Sent::No };
    let [_, address, lengths, _, operand, _] = rest;
    let length = lengths as u32;
    let fits = RECEIVED_HEADER_BYTES as u32 + length <= server.exchange.result_capacity();
    let is_plain = operand == 0 && has_plain_buffers(&rest, client.ring.message_limit);
    if !fits || !is_plain || !client.ring.completions.has_room() {
        return Sent::No;
    }
    // What is in the server's buffer before its receive completes is nobody's concern.
    let place = server.exchange.result_address;
    let header = ReceivedHeader {
        interface: minted.interface,
        method,
        capability_count: 0,
        cookie: minted.cookie,
        token: client.exchange.token,
        length,
    };
    let message = place + RECEIVED_HEADER_BYTES as u64;
    let is_written = server.ring.write_area_words(place, &header.encode())
        && (length == 0 || server.ring.copy_area(message, &client.ring, address, length));
    if !is_written {
        return Sent::No;
    }
    client.submit_and_wait(&rest);
    server.exchange.state = State::Idle;
    server.complete_and_go_on(RECEIVED_HEADER_BYTES as u32 + length);
    Sent::Yes
}

/// Lets the answer of `server` arrive at `client`, which waits for it, and the server wait for the next call.
#[inline(never)] // As above.
fn answer(server: &mut Thread, client: &mut Thread, node: NodeId) -> Sent {
    if !client.waits() || server.exchange.state != State::Idle {
        return Sent::No;
    }
    if server.exchange.receive_node != Some(node) {
        return Sent::Elsewhere;
    }
    let Some(rest) = server.ring.submission_rest() else { return Sent::No };
    let [_, address, lengths, _, token, _] = rest;
    let length = lengths as u32;
    let fits = token == client.exchange.token
        && length <= client.exchange.result_capacity()
        && lengths >> 32 >= RECEIVED_HEADER_BYTES as u64;
    let is_plain = has_plain_buffers(&rest, server.ring.message_limit);
    if !fits || !is_plain || !server.ring.completions.has_room() {
        return Sent::No;
    }
    let place = client.exchange.result_address;
    if length != 0 && !client.ring.copy_area(place, &server.ring, address, length) {
        return Sent::No;
    }
    server.submit_and_wait(&rest);
    client.exchange.end_call();
    client.complete_and_go_on(length);
    Sent::Yes
}

impl Kernel {
    /// A call goes to the server that has waited longest, which runs now, if no other call waits. `None` leaves everything to
    /// the general way.
    #[inline(never)] // Its registers are not the loop's.
    pub(crate) fn call_directly(
        &mut self,
        caller: Id<Thread>,
        object: Id<Minted>,
        node: NodeId,
        method: u16,
    ) -> Option<Id<Thread>> {
        let minted = self.minted.get(object).filter(|minted| !minted.is_dead)?;
        let endpoint = self.endpoints.get_mut(minted.endpoint)?;
        let server_id = endpoint.waiting.filter(|_| endpoint.receivers > 0 && endpoint.calls.is_empty())?;
        let (client, server) = self.threads.get_two_mut(caller, server_id)?;
        let worker = self.processes.get_mut(server.process).filter(|worker| worker.has_no_calls())?;
        match send(client, server, minted, node, method) {
            Sent::Yes => {}
            Sent::No => return None,
            Sent::Elsewhere => return self.move_kept_call(caller, node),
        }
        client.exchange.state = State::Calls { object, server: server.process };
        endpoint.waiting = None;
        // The bill that is open is the caller's.
        worker.processor.payer = self.billing.payer;
        worker.calls_served += 1;
        worker.direct_caller = Some(caller);
        Some(server_id)
    }

    /// An answer goes to its caller, which runs now, and its server waits for the next call, if nothing waits at the endpoint.
    /// `None` leaves everything to the general way.
    #[inline(never)] // As above.
    pub(crate) fn return_directly(
        &mut self,
        (server_id, process): (Id<Thread>, Id<Process>),
        endpoint_id: Id<Endpoint>,
        node: NodeId,
    ) -> Option<Id<Thread>> {
        let endpoint = self.endpoints.get_mut(endpoint_id).filter(|endpoint| endpoint.is_quiet())?;
        let worker = self.processes.get_mut(process).filter(|worker| worker.received.is_empty())?;
        let caller = worker.direct_caller?;
        let (server, client) = self.threads.get_two_mut(server_id, caller)?;
        if !matches!(client.exchange.state, State::Calls { .. }) {
            return None;
        }
        match answer(server, client, node) {
            Sent::Yes => {}
            Sent::No => return None,
            Sent::Elsewhere => return self.move_kept_receive(server_id, node),
        }
        server.exchange.state = State::Receives(endpoint_id);
        endpoint.waiting = Some(server_id);
        // It has no other call in its hands: it works for itself now.
        worker.processor.payer = process;
        worker.direct_caller = None;
        Some(caller)
    }

    /// The thread calls through another capability than the last time: its own record becomes a use of that one's node. This
    /// time the call takes the general way.
    #[cold]
    #[inline(never)]
    fn move_kept_call(&mut self, id: Id<Thread>, node: NodeId) -> Option<Id<Thread>> {
        let thread = self.threads.get_mut(id)?;
        let record = thread.kept_call.filter(|_| thread.exchange.call_node.is_some())?;
        thread.exchange.call_node = move_record(&mut self.operations, &mut self.nodes, record, node);
        None
    }

    /// The same for a receive.
    #[cold]
    #[inline(never)]
    fn move_kept_receive(&mut self, id: Id<Thread>, node: NodeId) -> Option<Id<Thread>> {
        let thread = self.threads.get_mut(id)?;
        let record = thread.kept_receive.filter(|_| thread.exchange.receive_node.is_some())?;
        thread.exchange.receive_node = move_record(&mut self.operations, &mut self.nodes, record, node);
        None
    }
}

/// Makes a record that is kept a use of another node; returns where it is one then.
fn move_record(
    operations: &mut Pool<Operation>,
    nodes: &mut Tree,
    id: Id<Operation>,
    node: NodeId,
) -> Option<NodeId> {
    let record = operations.get_mut(id)?;
    record.node = nodes.move_use(NodeUse::Operation(id.index()).number(), node).then_some(node);
    record.node
}
