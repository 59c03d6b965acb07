//! The direct way: a lone plain call to a server that waits, and the answer to a caller that waits.
//!
//! Almost every call between processes is one. Called by the scheduler's loop around ring 3 with a submission that
//! `calls::lone` has looked at and left in its ring; on success the other side runs at once, without the run queue, and the
//! two go on by themselves (`conversation`). A path of its own, so that what is rare costs nothing here.
//!
//! Invariant: whatever is not plain, would be refused or concerns a third party is left to the general way untouched. What is
//! under way is kept in the threads (`processes::exchange`) until the general way asks for it (`settling`), so each half of a
//! call may take either. Nothing is allocated, charged, queued or left over, so the scheduler need not look around.

use super::conversation::{Called, Conversation, Known, Party, Turn};
use super::{Endpoint, Minted};
use crate::calls::lone::Readable;
use crate::calls::operation::Operation;
use crate::kernel::{Kernel, NodeUse};
use crate::processes::exchange::{Exchange, State};
use crate::processes::thread::{Thread, ThreadState};
use capos_abi::system_call::DEADLINE_NEVER;
use capos_kernel_core::derivation::{NodeId, Tree};
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_hal::user::Event;

/// How a conversation begins: what a thread asks for, through a working capability that permits it.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// A call: object, node, and the submission's first word.
    Call(Id<Minted>, NodeId, u64),
    /// An answer, and a receive from this endpoint.
    Return(Id<Endpoint>, NodeId),
}

impl Exchange {
    /// The call is over: its token names nothing any more.
    #[inline(always)] // On the way of every answer.
    pub(super) const fn end_call(&mut self) {
        const GENERATION: u64 = 1 << 32;
        let (next, is_over) = self.token.overflowing_add(GENERATION);
        self.token = if is_over { next + GENERATION } else { next };
    }
}

impl Kernel {
    /// Lets the thread `id`, which asks for this, and the other side of its call run in turn for as long as they do nothing
    /// else. Then `id` is whoever left ring 3 in the end, and how is returned: for a system call, that is still to be served.
    /// `None` leaves everything to the general way.
    #[inline(never)] // Its registers are not those of the loop for one thread.
    pub(crate) fn converse(&mut self, id: &mut Id<Thread>, opening: Opening) -> Option<Event> {
        let payer = self.billing.payer;
        let (turn, client, server, endpoint_id, called) = match opening {
            Opening::Call(object, node, word) => {
                let minted = self.working_object(object)?;
                let Minted { endpoint, interface, cookie, .. } = *minted;
                let called = Called { head: Some([word, interface]), object, interface, cookie };
                let server = self.waiting_server(endpoint)?;
                self.claim_call(*id, node)?;
                (Turn::Client, *id, server, endpoint, called)
            }
            Opening::Return(endpoint, node) => {
                let (client, object) = self.waiting_client(*id)?;
                let called = Called { head: None, object, interface: 0, cookie: 0 };
                self.endpoints.get(endpoint).filter(|endpoint| endpoint.waiting.is_none())?;
                self.claim_receive(*id, node)?;
                (Turn::Server, client, *id, endpoint, called)
            }
        };
        let endpoint = self.endpoints.get_mut(endpoint_id)?;
        let (one, other) = self.threads.get_two_mut(client, server)?;
        let (caller, worker) = self.processes.get_two_mut(one.process, other.process)?;
        let known = Known {
            readable: Readable { slots: &self.slots, nodes: &self.nodes, clock: &self.clock },
            minted: &self.minted,
        };
        let mut conversation = Conversation {
            client: Party { id: client, thread: one, process: caller },
            server: Party { id: server, thread: other, process: worker },
            endpoint_id,
            endpoint,
            called,
            answer_head: None,
            turn,
            calls: 0,
            answers: 0,
        };
        let event = conversation.run(&mut self.processor, &known)?;
        *id = conversation.end(payer);
        Some(event)
    }

    /// The thread that waits for a call at this endpoint in front of all others, if no other call waits and its process has
    /// none in its hands.
    fn waiting_server(&self, endpoint: Id<Endpoint>) -> Option<Id<Thread>> {
        let endpoint = self.endpoints.get(endpoint)?;
        let server = endpoint.waiting.filter(|_| endpoint.receivers > 0 && endpoint.calls.is_empty())?;
        let thread = self.threads.get(server).filter(|thread| thread.waits_for_one())?;
        self.processes.get(thread.process).filter(|worker| worker.has_no_calls())?;
        Some(server)
    }

    /// The thread whose call this one has in its hands, if that came directly, there is no other, and its time goes on the bill
    /// that is open; and the object.
    fn waiting_client(&self, server: Id<Thread>) -> Option<(Id<Thread>, Id<Minted>)> {
        let worker = self.processes.get(self.threads.get(server)?.process)?;
        let client = worker.direct_caller.filter(|_| worker.received.is_empty())?;
        let thread =
            self.threads.get(client).filter(|thread| thread.waits_for_one() && self.is_billed(client))?;
        match thread.exchange.state {
            State::Calls { object, .. } => Some((client, object)),
            _ => None,
        }
    }

    /// Makes sure that the thread's own record for calls is a use of this node. If it is one of another, because the thread
    /// calls through another capability than the last time, it becomes one now, and this call takes the general way.
    fn claim_call(&mut self, id: Id<Thread>, node: NodeId) -> Option<()> {
        let thread = self.threads.get_mut(id).filter(|thread| thread.exchange.state == State::Idle)?;
        if thread.exchange.call_node == Some(node) {
            return Some(());
        }
        let record = thread.kept_call.filter(|_| thread.exchange.call_node.is_some())?;
        thread.exchange.call_node = move_record(&mut self.operations, &mut self.nodes, record, node);
        None
    }

    /// The same for receives.
    fn claim_receive(&mut self, id: Id<Thread>, node: NodeId) -> Option<()> {
        let thread = self.threads.get_mut(id).filter(|thread| thread.exchange.state == State::Idle)?;
        if thread.exchange.receive_node == Some(node) {
            return Some(());
        }
        let record = thread.kept_receive.filter(|_| thread.exchange.receive_node.is_some())?;
        thread.exchange.receive_node = move_record(&mut self.operations, &mut self.nodes, record, node);
        None
    }
}

impl Thread {
    /// True if the thread waits for one completion, for as long as it takes, and has read all before it.
    fn waits_for_one(&self) -> bool {
        matches!(self.state, ThreadState::Waiting(wait)
            if wait.deadline == DEADLINE_NEVER && wait.completions == 1)
            && self.ring.completions.ready() == 0
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
