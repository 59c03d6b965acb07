//! The life of a call when somebody gives up or dies.
//!
//! Called by `main`; starts `crash` as client and as server.
//!
//! Invariant: whatever ends first, each call completes once for its client and each event is told once to its server.

use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::Cap;
use capos_rt::abi::error::Transport;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::abi::ring::{EVENT_ABANDONED, EVENT_UNREFERENCED, KERNEL_INTERFACE, Mint};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{self, Outgoing, Room};

use crate::child::{self, Child};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::service::{
    self, CARRIES, Received, SMALL, Service, answered, begin, event, nothing_waits, pattern,
};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "life of a call",
        &[
            ("a waiting call is cancelled, and nobody sees it", cancel_queued),
            ("a received call is cancelled: abandoned, then caller gone", cancel_delivered),
            ("a late return takes the place of the event", late_return),
            ("an event comes to a receive that waits", event_waits),
            ("capabilities of a void reply stay", void_reply),
            ("a receive is cancelled", cancel_receive),
            ("many are cancelled", cancel_many),
            ("unreferenced, once, behind the last capability", unreferenced),
            ("unreferenced waits for calls in progress", unreferenced_behind_calls),
            ("a call that a waiting receive takes leaves its object as it was", referenced_behind_calls),
            ("the root is never unreferenced", root_stays),
            ("another process serves", served),
            ("the server of the book", served_as_told),
            ("a large message between processes", served_large),
            ("a capability between processes", served_capability),
            ("a server dies: what it received is disconnected", server_dies),
            ("a server dies: what it minted is dead, the root waits", instance_dies),
            ("a client is killed while its call waits", client_dies_queued),
            ("a client is killed while its call is served", client_dies_delivered),
            ("a client ends, and its charge is given back", client_charges),
            ("a server that never receives", never_receives),
            ("a flood of calls does not go before another's call", fair),
        ],
    );
}

fn cancel_queued(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    drop(call);
    nothing_waits(&service)
}

fn cancel_delivered(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    drop(call);
    equal("token", event(&service, EVENT_ABANDONED, 0)?, token)?;
    refused("late return", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    nothing_waits(&service)
}

fn late_return(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    drop(call);
    refused("late return", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    refused("later return", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    nothing_waits(&service)
}

fn event_waits(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    let receive = service.begin_receive(SMALL)?;
    drop(call);
    check(receive.is_complete(), "it was not told at once")?;
    let header = Received::of(receive.wait())?.header;
    equal(
        "event",
        (header.interface, header.method, header.token),
        (KERNEL_INTERFACE, EVENT_ABANDONED, token),
    )
}

fn void_reply(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", CARRIES)?;
    let token = service.receive(SMALL)?.header.token;
    drop(call);
    let mine = done("derive", context.timer.derive(Timer::ALL_METHODS))?;
    let sent = [Outgoing::Move(&mine)];
    refused("late return", untyped::reply(token, b"", &sent), Transport::CallerGone)?;
    done("now", mine.now()).map(|_| ())
}

fn cancel_receive(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(SMALL)?;
    drop(receive);
    let call = service.begin(0, b"", SMALL)?;
    check(!call.is_complete(), "it completed without a server")?;
    service.receive(SMALL)?.reply(b"", &[])?;
    answered(call, b"")
}

fn cancel_many(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let calls: Vec<_> = (0..10).map(|_| service.begin(0, b"", SMALL)).collect::<Result<_, _>>()?;
    let tokens: Vec<u64> =
        (0..5).map(|_| service.receive(SMALL).map(|one| one.header.token)).collect::<Result<_, _>>()?;
    drop(calls);
    for token in tokens {
        equal("token", event(&service, EVENT_ABANDONED, 0)?, token)?;
    }
    nothing_waits(&service)
}

fn unreferenced(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let object = done("mint", service.endpoint.mint(Probe::ID, 33, 1))?.typed::<Probe>();
        let second = done("derive", object.derive(1))?;
        drop(object);
        capos_rt::flush();
        nothing_waits(&service)?;
        drop(second);
        capos_rt::flush();
        numbers.push(event(&service, EVENT_UNREFERENCED, 33)?);
        nothing_waits(&service)?;
    }
    check(numbers[0] != numbers[1], "two objects have one number")
}

fn unreferenced_behind_calls(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("mint", service.endpoint.mint(Probe::ID, 34, 1))?.typed::<Probe>();
    let call = begin(&object, 0, b"", &[], CARRIES)?;
    drop(object);
    capos_rt::flush();
    let received = service.receive(SMALL)?;
    equal("cookie", received.header.cookie, 34)?;
    nothing_waits(&service)?;
    // The capability through which the call came is gone; what is minted hangs under its place in the tree.
    let mint = Mint { interface: Probe::ID, cookie: 35, methods: 1 };
    received.reply(b"", &[Outgoing::Mint(mint)])?;
    let reply = done("call", call.wait())?;
    event(&service, EVENT_UNREFERENCED, 34)?;
    let object: Cap<Probe> = reply.take(0).ok_or("nothing came")?;
    let call = begin(&object, 0, b"", &[], SMALL)?;
    service.receive(SMALL)?.reply(b"", &[])?;
    answered(call, b"")
}

fn referenced_behind_calls(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("mint", service.endpoint.mint(Probe::ID, 36, 1))?.typed::<Probe>();
    for _ in 0..2 {
        let receive = service.begin_receive(SMALL)?;
        let call = begin(&object, 0, b"", &[], SMALL)?;
        let received = Received::of(receive.wait())?;
        equal("cookie", received.header.cookie, 36)?;
        received.reply(b"", &[])?;
        answered(call, b"")?;
        nothing_waits(&service)?;
    }
    drop(object);
    capos_rt::flush();
    event(&service, EVENT_UNREFERENCED, 36).map(|_| ())
}

fn root_stays(context: &Context) -> Outcome {
    let Service { endpoint, root } = service::create(context)?;
    let copy = done("derive", root.derive(Probe::ALL_METHODS))?;
    drop(root);
    capos_rt::flush();
    let service = Service { endpoint, root: copy };
    nothing_waits(&service)?;
    let call = service.begin(0, b"", SMALL)?;
    service.receive(SMALL)?.reply(b"", &[])?;
    answered(call, b"")
}

/// Makes `crash` with memory for its heap.
fn with_heap(context: &Context, argument: &str) -> Result<Child, alloc::string::String> {
    let child = child::create(context, argument)?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    Ok(child)
}

/// Makes `crash` with the receive side.
pub(crate) fn server(
    context: &Context,
    service: &Service,
    argument: &str,
) -> Result<Child, alloc::string::String> {
    let child = with_heap(context, argument)?;
    child::grant(&child, "endpoint", &service.endpoint, Endpoint::ALL_METHODS)?;
    done("start", child.process.start())?;
    Ok(child)
}

/// Makes `crash` with an object of a service.
pub(crate) fn client(
    context: &Context,
    object: &Cap<Probe>,
    argument: &str,
) -> Result<Child, alloc::string::String> {
    let child = with_heap(context, argument)?;
    child::grant(&child, "service", object, Probe::ALL_METHODS)?;
    done("start", child.process.start())?;
    Ok(child)
}

fn kill(child: &Child) -> Outcome {
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    child::wait(child).map(|_| ())
}

fn served(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve echo")?;
    for round in 0..50u8 {
        let reply = done("call", service.root.call_untyped(0, &pattern(40, round), &[], SMALL))?;
        check(reply.message() == pattern(40, round), "another echo")?;
    }
    let calls: Vec<_> = (0..8u8).map(|index| service.begin(0, &[index], SMALL)).collect::<Result<_, _>>()?;
    calls.into_iter().zip(0u8..).try_for_each(|(call, index)| answered(call, &[index]))?;
    kill(&child)
}

fn served_as_told(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve as told")?;
    for length in [0, 1, 256] {
        let message = pattern(length, 9);
        let room = Room { bytes: 256, capabilities: 0 };
        let reply = done("call", service.root.call_untyped(0, &message, &[], room))?;
        check(reply.message() == message, "another echo")?;
    }
    kill(&child)
}

fn served_large(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve echo")?;
    for length in [4096, 10_000, 65_536] {
        let message = pattern(length, 5);
        let room = Room { bytes: length, capabilities: 0 };
        let reply = done("call", service.root.call_untyped(0, &message, &[], room))?;
        check(reply.message() == message, "another echo")?;
    }
    kill(&child)
}

fn served_capability(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve echo")?;
    // It reads the clock through what it gets, and gives it back.
    for outgoing in [true, false] {
        let mine = done("derive", context.timer.derive(1 << Timer::NOW))?;
        let sent = if outgoing { Outgoing::Copy(&mine) } else { Outgoing::Move(&mine) };
        let reply = done("call", service.root.call_untyped(1, b"", &[sent], CARRIES))?;
        let timer: Cap<Timer> = reply.take(0).ok_or("it did not come back")?;
        done("now", timer.now())?;
        let result = mine.now();
        if outgoing {
            done("now", result)?;
        } else {
            refused("now", result, Transport::BadHandle)?;
            core::mem::forget(mine);
        }
    }
    kill(&child)
}

fn server_dies(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "receive and exit")?;
    let calls = [service.begin(0, b"", SMALL)?, service.begin(0, b"", SMALL)?];
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    let [received, queued] = calls;
    refused("received call", received.wait(), Transport::Disconnected)?;
    check(!queued.is_complete(), "a call that waits is lost")?;
    service.receive(SMALL)?.reply(b"next", &[])?;
    answered(queued, b"next")
}

fn instance_dies(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "mint and exit")?;
    let reply = done("call", service.root.call_untyped(0, b"", &[], CARRIES))?;
    let object: Cap<Probe> = reply.take(0).ok_or("nothing came")?;
    let waiting = begin(&object, 0, b"", &[], SMALL)?;
    let through_root = service.begin(0, b"", SMALL)?;
    // The second receive of the child takes the call to the object, and it exits.
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    refused("received call", waiting.wait(), Transport::Disconnected)?;
    refused("call to the dead", object.call_untyped(0, b"", &[], SMALL), Transport::Disconnected)?;
    check(!through_root.is_complete(), "the root died too")?;
    let next = server(context, &service, "serve echo")?;
    answered(through_root, b"")?;
    refused("call to the dead", object.call_untyped(0, b"", &[], SMALL), Transport::Disconnected)?;
    drop(object);
    kill(&next)?;
    // The dead object's end is no business of the next server.
    nothing_waits(&service)
}

fn client_dies_queued(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "call and wait")?;
    wait_for_calls(context)?;
    kill(&child)?;
    nothing_waits(&service)
}

/// Lets the children run until they wait.
fn wait_for_calls(context: &Context) -> Outcome {
    let now = done("now", context.timer.now())?;
    done("sleep", context.timer.sleep(now + 30_000_000))
}

fn client_dies_delivered(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "call and wait")?;
    let token = service.receive(SMALL)?.header.token;
    kill(&child)?;
    equal("token", event(&service, EVENT_ABANDONED, 0)?, token)?;
    refused("late return", untyped::reply(token, b"", &[]), Transport::CallerGone)
}

fn client_charges(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let round = || -> Outcome {
        let child = client(context, &service.root, "call and keep")?;
        let received = service.receive(SMALL)?;
        let mint = Mint { interface: Probe::ID, cookie: 8, methods: 1 };
        received.reply(b"", &[Outgoing::Mint(mint)])?;
        equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
        drop(child);
        event(&service, EVENT_UNREFERENCED, 8).map(|_| ())
    };
    round()?;
    let _ = context.memory.usage();
    let before = done("usage", context.memory.usage())?.committed;
    (0..5).try_for_each(|_| round())?;
    let _ = context.memory.usage();
    equal("committed", done("usage", context.memory.usage())?.committed, before)
}

fn never_receives(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "wait for ever")?;
    let calls: Vec<_> = (0..20).map(|_| service.begin(0, b"", SMALL)).collect::<Result<_, _>>()?;
    wait_for_calls(context)?;
    check(calls.iter().all(|call| !call.is_complete()), "a call completed")?;
    drop(calls);
    kill(&child)?;
    nothing_waits(&service)
}

fn fair(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "call many")?;
    wait_for_calls(context)?;
    let call = service.begin(0, b"mine", SMALL)?;
    let first = service.receive(SMALL)?;
    let second = service.receive(SMALL)?;
    equal("first", first.incoming.message(), b"flood".as_slice())?;
    equal("second", second.incoming.message(), b"mine".as_slice())?;
    second.reply(b"", &[])?;
    answered(call, b"")?;
    kill(&child)
}
