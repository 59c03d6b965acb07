//! Calls that go directly: one at a time between two processes that wait for each other.
//!
//! Called by `main`; starts `crash` as client and as server. The first rounds of a pair open the direct way, so each test has
//! some before what it looks at.
//!
//! Invariant: a call ends the same whether its halves go directly or the general way.

use capos_kernel_suite::probe::Probe;
use capos_rt::Cap;
use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::ring::{EVENT_ABANDONED, EVENT_UNREFERENCED, KERNEL_INTERFACE, ReceivedHeader};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{self, Server};

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, done, equal, exception, refused};
use crate::lives::{client, server};
use crate::service::{self, SMALL, Service, pattern};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "direct calls",
        &[
            ("messages of all small sizes", sizes),
            ("both ways in turn", both_ways),
            ("through several capabilities in turn", several_capabilities),
            ("an answer and an exception that take the general way", answered_apart),
            ("a token is good for one answer", token_once),
            ("an answer that is too large ends the call for both", too_large),
            ("the server ends with the call in its hands", server_ends),
            ("the server is killed while it waits", server_killed),
            ("the receive side is revoked while the server waits", receive_revoked),
            ("the client is killed: abandoned, with the token of the call", client_killed),
            ("the capability is revoked: revoked, abandoned", call_revoked),
            ("unreferenced comes behind the last call", unreferenced),
            ("each side keeps its vector registers", vectors),
            ("a server that waits for two calls sleeps through the first", two_at_once),
        ],
    );
}

/// Calls method 0 and compares.
fn echo(object: &Cap<Probe>, length: usize, seed: u8) -> Outcome {
    let mut reply = [0; 256];
    let message = pattern(length, seed);
    let count = done("call", object.call_bytes(0, &message, &mut reply))?;
    equal("reply", reply.get(..count), Some(message.as_slice()))
}

fn warm(object: &Cap<Probe>) -> Outcome {
    (0..4).try_for_each(|seed| echo(object, 8, seed))
}

fn sizes(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    (0..=256).try_for_each(|length| echo(&service.root, length, length as u8))?;
    child::kill(&child)
}

fn both_ways(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    for round in 0..12u8 {
        for length in 0..usize::from(round % 4) {
            echo(&service.root, length, round)?;
        }
        let reply = done("call", service.root.call_untyped(0, &pattern(40, round), &[], SMALL))?;
        equal("reply", reply.message(), pattern(40, round).as_slice())?;
        let calls = [service.begin(0, &[round], SMALL)?, service.begin(0, &[!round], SMALL)?];
        echo(&service.root, 16, round)?;
        for (call, byte) in calls.into_iter().zip([round, !round]) {
            service::answered(call, &[byte])?;
        }
    }
    child::kill(&child)
}

fn several_capabilities(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    let other = done("derive", service.root.derive(Probe::ALL_METHODS))?;
    for round in 0..6 {
        echo(&service.root, 8, round)?;
        echo(&other, 8, round)?;
        echo(&other, 9, round)?;
    }
    done("revoke", service.root.revoke())?;
    refused("revoked", other.call_bytes(0, b"", &mut []), Transport::Revoked)?;
    warm(&service.root)?;
    child::kill(&child)
}

fn answered_apart(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    let mut reply = [0; 8];
    for _ in 0..3 {
        warm(&service.root)?;
        equal("reply", done("call", service.root.call_bytes(1, &[2], &mut reply))?, 5)?;
        equal("reply", &reply[..5], b"apart".as_slice())?;
        warm(&service.root)?;
        exception("call", service.root.call_bytes(1, &[3], &mut reply), Exception::Overloaded)?;
    }
    child::kill(&child)
}

fn token_once(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    for _ in 0..3 {
        warm(&service.root)?;
        let mut reply = [9; 8];
        equal("bytes", done("call", service.root.call_bytes(1, &[4], &mut reply))?, 1)?;
        equal("the old token is gone", reply[0], 1)?;
    }
    child::kill(&child)
}

fn too_large(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    for _ in 0..3 {
        warm(&service.root)?;
        refused("call", service.root.call_bytes(1, &[5], &mut [0; 64]), Transport::TooLarge)?;
        refused("call", service.root.call_bytes(0, &pattern(300, 1), &mut []), Transport::TooLarge)?;
    }
    warm(&service.root)?;
    child::kill(&child)
}

fn server_ends(context: &Context) -> Outcome {
    let service = service::create(context)?;
    for _ in 0..2 {
        let child = server(context, &service, "serve directly")?;
        warm(&service.root)?;
        refused("call", service.root.call_bytes(1, &[1], &mut []), Transport::Disconnected)?;
        equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    }
    Ok(())
}

fn server_killed(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve directly")?;
    warm(&service.root)?;
    child::kill(&child)?;
    let waiting = service.begin(0, b"later", SMALL)?;
    let next = server(context, &service, "serve directly")?;
    service::answered(waiting, b"later")?;
    warm(&service.root)?;
    child::kill(&next)
}

fn receive_revoked(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let lent = done("derive", service.endpoint.derive(Endpoint::ALL_METHODS))?;
    let borrowed = Service { endpoint: lent, root: done("derive", service.root.derive(Probe::ALL_METHODS))? };
    let child = server(context, &borrowed, "serve directly")?;
    warm(&service.root)?;
    done("revoke", service.endpoint.revoke())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 7))?;
    let waiting = service.begin(0, b"later", SMALL)?;
    service.receive(SMALL)?.reply(b"later", &[])?;
    service::answered(waiting, b"later")
}

/// Serves two calls of a client directly; returns the third.
fn third_call<'s>(service: &'s Service) -> Result<(Server<'s>, ReceivedHeader), alloc::string::String> {
    let mut server = done("serve", Server::new(&service.endpoint, 64, 64))?;
    let mut header = done("receive", server.receive())?;
    for _ in 0..2 {
        header = done("turn", server.reply_and_receive(header.token, 0))?;
    }
    Ok((server, header))
}

fn client_killed(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "call twice and lose the third")?;
    let (mut server, header) = third_call(&service)?;
    child::kill(&child)?;
    let event = done("receive", server.receive())?;
    equal("event", (event.interface, event.method), (KERNEL_INTERFACE, EVENT_ABANDONED))?;
    equal("token", event.token, header.token)?;
    refused("late return", untyped::reply(header.token, b"", &[]), Transport::CallerGone)?;
    drop(server);
    service::nothing_waits(&service)
}

fn call_revoked(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "call twice and lose the third")?;
    let (mut server, header) = third_call(&service)?;
    done("revoke", service.root.revoke())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    let event = done("receive", server.receive())?;
    equal("event", (event.interface, event.method), (KERNEL_INTERFACE, EVENT_ABANDONED))?;
    equal("token", event.token, header.token)?;
    drop(server);
    service::nothing_waits(&service)
}

fn unreferenced(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("mint", service.endpoint.mint(Probe::ID, 44, Probe::ALL_METHODS))?.typed::<Probe>();
    let child = client(context, &object, "call twice")?;
    drop(object);
    let mut server = done("serve", Server::new(&service.endpoint, 64, 64))?;
    let mut header = done("receive", server.receive())?;
    for _ in 0..2 {
        equal("cookie", header.cookie, 44)?;
        header = done("turn", server.reply_and_receive(header.token, 0))?;
    }
    let event = (header.interface, header.method, header.cookie);
    equal("event", event, (KERNEL_INTERFACE, EVENT_UNREFERENCED, 44))?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    drop(server);
    service::nothing_waits(&service)
}

fn vectors(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let serving = server(context, &service, "serve with vectors")?;
    let calling = client(context, &service.root, "call with vectors")?;
    equal("client", child::end(&child::wait(&calling)?), ("exited", 0))?;
    equal("server", child::end(&child::wait(&serving)?), ("exited", 0))
}

fn two_at_once(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let serving = server(context, &service, "receive two at once")?;
    let calling = client(context, &service.root, "call once")?;
    equal("bytes", done("call", service.root.call_bytes(0, b"", &mut []))?, 0)?;
    equal("client", child::end(&child::wait(&calling)?), ("exited", 0))?;
    equal("server", child::end(&child::wait(&serving)?), ("exited", 0))
}
