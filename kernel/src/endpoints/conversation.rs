//! A conversation: two threads, of which one calls and the other answers, for as long as nobody else is concerned.
//!
//! Begun and ended by `direct`. Between two turns nothing but ring 3 of the two has run, so what was looked up once (handles,
//! nodes, endpoint, processes) is still so: a turn looks at the sender's submission and at the receiver's room, moves the
//! message and switches. What ends it: any event but a system call, and any submission of another shape.
//!
//! Invariant: only rings, exchanges, message areas and registers change here; what the rest of the kernel knows of the two is
//! written by [`Conversation::end`]. A submission that is not passed on is left in its ring.

use super::{Endpoint, Minted};
use crate::calls::lone::Readable;
use crate::objects::Object;
use crate::processes::Process;
use crate::processes::exchange::State;
use crate::processes::thread::{Thread, ThreadState, Wait};
use capos_abi::handle::Handle;
use capos_abi::ring::{
    HEAD_WORDS, RECEIVED_HEADER_BYTES, ReceivedHeader, has_plain_buffers, is_plain_call_head,
    is_plain_return_head,
};
use capos_abi::system_call::{DEADLINE_NEVER, SystemCall};
use capos_kernel_core::capability::{Capability, Table};
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_hal::user::{Event, Processor};
use capos_schema::endpoint::Endpoint as Receiving;

/// The words of a submission that say what is asked for.
pub(super) type Head = [u64; HEAD_WORDS];
/// The other words.
type Rest = [u64; 8 - HEAD_WORDS];

/// One of the two.
pub(super) struct Party<'k> {
    pub(super) id: Id<Thread>,
    pub(super) thread: &'k mut Thread,
    pub(super) process: &'k mut Process,
}

/// An object that is called, and what its server is told of it.
#[derive(Clone, Copy)]
pub(super) struct Called {
    /// Of a submission that calls it and was checked, if there was one.
    pub(super) head: Option<Head>,
    pub(super) object: Id<Minted>,
    pub(super) interface: u64,
    pub(super) cookie: u64,
}

/// Which of the two runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Client,
    Server,
}

/// What a conversation reads of the kernel.
pub(super) struct Known<'k> {
    pub(super) readable: Readable<'k>,
    pub(super) minted: &'k Pool<Minted>,
}

/// The two, and what is known of them.
pub(super) struct Conversation<'k> {
    pub(super) client: Party<'k>,
    pub(super) server: Party<'k>,
    pub(super) endpoint_id: Id<Endpoint>,
    pub(super) endpoint: &'k mut Endpoint,
    pub(super) called: Called,
    /// Of an answer that was checked; none before the first.
    pub(super) answer_head: Option<Head>,
    pub(super) turn: Turn,
    /// Turns that the server has got, and the client.
    pub(super) calls: u64,
    pub(super) answers: u64,
}

/// What became of a submission.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// It was passed on: the other side goes on.
    Yes,
    /// It is for the general way.
    No,
    /// Its head is another than the one that was checked.
    OtherHead,
}

impl Thread {
    /// The thread's one submission, if its system call is an `enter` with one, which waits for as long as it takes for its
    /// completion, and ring 3 has read all others. Nothing is taken.
    #[inline(always)] // Twice in each round.
    fn lone_submission(&mut self) -> Option<(Head, Rest)> {
        let (number, [completions, deadline, ..]) = self.context.system_call();
        let ring = &mut self.ring;
        let is_lone = number == SystemCall::Enter as u64
            && completions == 1
            && deadline == DEADLINE_NEVER
            && ring.pending() == 1
            && ring.observe_all();
        if is_lone { ring.submission_head().zip(ring.submission_rest()) } else { None }
    }

    /// Takes the submission that was looked at; the thread waits for what it asks for. False, and nothing has changed, without
    /// room for its completion.
    #[inline(always)] // As above.
    fn submit(&mut self, [user_data, _, lengths, result_address, _, lists]: &Rest) -> bool {
        let is_promised = self.ring.completions.promise();
        if is_promised {
            let exchange = &mut self.exchange;
            (exchange.user_data, exchange.lengths) = (*user_data, *lengths);
            (exchange.result_address, exchange.lists) = (*result_address, *lists);
            self.ring.take_submission();
            self.ring.publish_taken();
        }
        is_promised
    }

    /// Completes the one thing that the thread waits for, with a message of `length` bytes.
    #[inline(always)] // As above.
    fn complete(&mut self, length: u32) {
        self.ring.post_message(self.exchange.user_data, length);
        self.context.set_result(1);
    }

    /// From now on the rest of the kernel knows that it waits, for one completion more than there are: any ends that.
    fn wait_for(&mut self, state: State) {
        let (_, [completions, ..]) = self.context.system_call();
        self.state =
            ThreadState::Waiting(Wait { completions, deadline: DEADLINE_NEVER, timer: Handle::NULL });
        self.exchange.state = state;
    }

    /// From now on the rest of the kernel knows that it goes on.
    const fn go_on(&mut self) {
        self.state = ThreadState::Ready;
        self.exchange.state = State::Idle;
    }
}

/// Lets the client's lone call arrive at the server.
#[inline(never)] // In registers of its own.
fn call(client: &mut Thread, server: &mut Thread, called: &Called) -> Passed {
    let Some((head, rest)) = client.lone_submission() else { return Passed::No };
    if called.head != Some(head) {
        return Passed::OtherHead;
    }
    let [_, address, lengths, _, operand, _] = rest;
    let length = lengths as u32;
    let place = server.exchange.result_address;
    let header = ReceivedHeader {
        interface: called.interface,
        method: method_of(&head),
        capability_count: 0,
        cookie: called.cookie,
        token: client.exchange.token,
        length,
    };
    // What is in the server's buffer before its receive completes is nobody's concern.
    let is_passed = operand == 0
        && has_plain_buffers(&rest, client.ring.message_limit)
        && RECEIVED_HEADER_BYTES as u32 + length <= server.exchange.result_capacity()
        && server.ring.write_area_words(place, &header.encode())
        && (length == 0
            || server.ring.copy_area(place + RECEIVED_HEADER_BYTES as u64, &client.ring, address, length))
        && client.submit(&rest);
    if is_passed {
        server.complete(RECEIVED_HEADER_BYTES as u32 + length);
    }
    if is_passed { Passed::Yes } else { Passed::No }
}

/// Lets the server's lone answer arrive at the client, and the server wait for the next call.
#[inline(never)] // As above.
fn answer(server: &mut Thread, client: &mut Thread, answer_head: &Option<Head>) -> Passed {
    let Some((head, rest)) = server.lone_submission() else { return Passed::No };
    if *answer_head != Some(head) {
        return Passed::OtherHead;
    }
    let [_, address, lengths, _, token, _] = rest;
    let length = lengths as u32;
    let is_passed = token == client.exchange.token
        && has_plain_buffers(&rest, server.ring.message_limit)
        && lengths >> 32 >= RECEIVED_HEADER_BYTES as u64
        && length <= client.exchange.result_capacity()
        && (length == 0
            || client.ring.copy_area(client.exchange.result_address, &server.ring, address, length))
        && server.submit(&rest);
    if is_passed {
        client.exchange.end_call();
        client.complete(length);
    }
    if is_passed { Passed::Yes } else { Passed::No }
}

const fn method_of(head: &Head) -> u16 {
    (head[0] >> 16) as u16
}

impl Conversation<'_> {
    /// Lets the two run in turn, from the submission of the one whose turn it is on. Returns how the one that ran last left
    /// ring 3, or `None` if nothing was passed on: then nothing has changed.
    #[inline(always)] // One caller.
    pub(super) fn run(&mut self, processor: &mut Processor, known: &Known<'_>) -> Option<Event> {
        loop {
            if self.turn == Turn::Client {
                let mut passed = call(self.client.thread, self.server.thread, &self.called);
                if passed == Passed::OtherHead && self.learn_call(known) {
                    passed = call(self.client.thread, self.server.thread, &self.called);
                }
                if passed != Passed::Yes {
                    break;
                }
                self.calls += 1;
                self.turn = Turn::Server;
                if let Err(event) = self.server.run(processor) {
                    return Some(event);
                }
            }
            let mut passed = answer(self.server.thread, self.client.thread, &self.answer_head);
            if passed == Passed::OtherHead && self.learn_answer(known) {
                passed = answer(self.server.thread, self.client.thread, &self.answer_head);
            }
            if passed != Passed::Yes {
                break;
            }
            self.answers += 1;
            self.turn = Turn::Client;
            if let Err(event) = self.client.run(processor) {
                return Some(event);
            }
        }
        (self.calls + self.answers > 0).then_some(Event::SystemCall)
    }

    /// Looks up what the client calls; false if that is not for this server, or not for the direct way.
    #[cold] // Once for each object and method.
    fn learn_call(&mut self, known: &Known<'_>) -> bool {
        let thread = &self.client.thread;
        let server = self.server.thread.process;
        let called = thread.ring.submission_head().zip(thread.exchange.call_node).and_then(|(head, node)| {
            known.called(&self.client.process.table, head, node, (self.endpoint_id, server))
        });
        self.called = called.unwrap_or(self.called);
        called.is_some()
    }

    /// Looks up where the server receives the next call; false if that is somewhere else, or somebody else waits there.
    #[cold] // Once.
    fn learn_answer(&mut self, known: &Known<'_>) -> bool {
        let thread = &self.server.thread;
        let head = thread.ring.submission_head().zip(thread.exchange.receive_node).filter(|(head, node)| {
            self.endpoint.is_left_alone()
                && known.is_received(&self.server.process.table, head, *node, self.endpoint_id)
        });
        self.answer_head = head.map(|(head, _)| head);
        self.answer_head.is_some()
    }

    /// Tells the rest of the kernel what is under way, and counts. While the server has a call in its hands, `payer` pays for
    /// it: the bill that is open is the caller's.
    #[inline(always)] // One caller.
    pub(super) fn end(self, payer: Id<Process>) -> Id<Thread> {
        let Party { id: client_id, thread: client, process: caller } = self.client;
        let Party { id: server_id, thread: server, process: worker } = self.server;
        caller.calls_made += self.calls;
        caller.entries += self.answers;
        client.wakes += self.answers;
        worker.calls_served += self.calls;
        worker.entries += self.calls;
        server.wakes += self.calls;
        match self.turn {
            Turn::Server => {
                client.wait_for(State::Calls { object: self.called.object, server: server.process });
                server.go_on();
                self.endpoint.waiting = None;
                worker.direct_caller = Some(client_id);
                worker.processor.payer = payer;
                server_id
            }
            Turn::Client => {
                server.wait_for(State::Receives(self.endpoint_id));
                client.go_on();
                self.endpoint.waiting = Some(server_id);
                worker.direct_caller = None;
                // It has no other call in its hands: it works for itself now.
                worker.processor.payer = server.process;
                client_id
            }
        }
    }
}

impl Party<'_> {
    /// Lets it run until a system call, or another event.
    #[inline(always)] // Twice in each round.
    fn run(&mut self, processor: &mut Processor) -> Result<(), Event> {
        let space = self.process.space.as_ref().ok_or(Event::Spurious)?;
        processor.seat(&mut self.thread.context, space).ok_or(Event::Spurious)?.enter()
    }
}

impl Known<'_> {
    /// What the head of a plain call calls, if that is of this endpoint, was minted by its server or is the root, and is called
    /// through `node`.
    fn called(
        &self,
        table: &Table,
        head: Head,
        node: NodeId,
        (endpoint, server): (Id<Endpoint>, Id<Process>),
    ) -> Option<Called> {
        let capability = self.working(table, &head)?;
        let Object::Service(object) = capability.object else { return None };
        let minted = self.minted.get(object)?;
        let is_it = is_plain_call_head(&head)
            && head[1] == capability.interface
            && capability.permits(method_of(&head))
            && capability.node == node
            && minted.endpoint == endpoint
            && minted.server.is_none_or(|minter| minter == server);
        is_it.then_some(Called {
            head: Some(head),
            object,
            interface: minted.interface,
            cookie: minted.cookie,
        })
    }

    /// True if the head is that of a plain answer that waits for the next call of this endpoint, through `node`.
    fn is_received(&self, table: &Table, head: &Head, node: NodeId, endpoint: Id<Endpoint>) -> bool {
        is_plain_return_head(head)
            && self.working(table, head).is_some_and(|capability| {
                capability.object == Object::Endpoint(endpoint)
                    && capability.permits(Receiving::RECEIVE)
                    && capability.node == node
            })
    }

    fn working(&self, table: &Table, head: &Head) -> Option<Capability<Object>> {
        let Readable { slots, nodes, .. } = self.readable;
        capos_kernel_core::authority::working(table, slots, nodes, Handle((head[0] >> 32) as u32)).ok()
    }
}

impl Endpoint {
    /// True if nobody waits here but the server of a conversation.
    fn is_left_alone(&self) -> bool {
        self.calls.is_empty() && self.events.is_empty() && self.front.is_none() && self.receives.is_empty()
    }
}
