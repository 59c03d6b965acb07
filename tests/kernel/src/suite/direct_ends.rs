//! Calls on the direct way, when something else happens meanwhile, or one side does what only looks like a call.
//!
//! Called by `main`; starts `crash` as client and as server.
//!
//! Invariant: nobody can tell from what happens which way a call went.

use alloc::string::String;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::abi::ring::{
    EVENT_UNREFERENCED, FLAG_RESULT_IN_AREA, Opcode, ReceivedHeader, Submission, offset,
};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{self, Server};
use capos_rt::{Cap, Capability, hostile};

use crate::child::{self, Child};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal};
use crate::lives::{client, server};
use crate::service::{self, CARRIES, SMALL, Service, event, nothing_waits};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "ends of direct calls",
        &[
            ("a nop is no call", nop_for_a_call),
            ("a nop is no answer", nop_for_an_answer),
            ("an enter that waits for more, up to a deadline, waits until then", finite_wait),
            ("unreferenced waits for a direct call whose client goes on", released_meanwhile),
            ("a process that ends answers nothing", ending_server),
            ("what an instance minted is dead as soon as it ends", dead_objects),
        ],
    );
}

/// Serves two calls of a client directly, and receives the third.
fn third_call<'s>(service: &'s Service) -> Result<(Server<'s>, ReceivedHeader), String> {
    let mut server = done("serve", Server::new(&service.endpoint, 64, 64))?;
    let mut header = done("receive", server.receive())?;
    for _ in 0..2 {
        header = done("turn", server.reply_and_receive(header.token, 0))?;
    }
    Ok((server, header))
}

fn nop_for_a_call(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = client(context, &service.root, "submit a nop for a call")?;
    let (mut server, header) = third_call(&service)?;
    // It does something else before it answers.
    hostile::enter(0, 0, 0);
    let header = done("turn", server.reply_and_receive(header.token, 0))?;
    equal("call", (header.interface, header.method), (Probe::ID, 2))?;
    done("reply", untyped::reply(header.token, b"", &[]))?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))
}

fn nop_for_an_answer(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "submit a nop for an answer")?;
    let mut reply = [9; 8];
    for expected in [0, 0, 0, 1] {
        equal("bytes", done("call", service.root.call_bytes(0, b"", &mut reply))?, expected)?;
        // It does something else between its calls.
        done("now", context.timer.now())?;
    }
    equal("it was refused", reply[0], 1)?;
    child::kill(&child)
}

fn finite_wait(context: &Context) -> Outcome {
    const USER_DATA: u64 = 77;
    let service = service::create(context)?;
    let child = client(context, &service.root, "call twice")?;
    service.receive(SMALL)?.reply(b"", &[])?;
    let deadline = done("now", context.timer.now())? + 20_000_000;
    capos_rt::flush();
    hostile::resynchronize();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    let receive = Submission {
        flags: FLAG_RESULT_IN_AREA,
        handle: service.endpoint.handle(),
        result_capacity: 256,
        ..Submission::new(Opcode::Receive, USER_DATA)
    };
    hostile::write_submission(tail, &receive.encode());
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    let ready = hostile::enter(2, deadline, u64::from(context.timer.handle().0));
    let mut header = [[0; 8]; 5];
    hostile::read_area(0, header.as_flattened_mut());
    hostile::resynchronize();
    let now = done("now", context.timer.now())?;
    equal("completions", ready, 1)?;
    check(now >= deadline, "it did not wait until the deadline")?;
    let header = ReceivedHeader::decode(&header.map(u64::from_le_bytes));
    done("reply", untyped::reply(header.token, b"", &[]))?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))
}

fn released_meanwhile(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("mint", service.endpoint.mint(Probe::ID, 45, Probe::ALL_METHODS))?.typed::<Probe>();
    let child = child::create(context, "release what it calls through")?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(&child, "service", &object, Probe::ALL_METHODS)?;
    child::grant(&child, "timer", &context.timer, 1 << Timer::NOW | 1 << Timer::SLEEP)?;
    done("start", child.process.start())?;
    drop(object);
    let (server, header) = third_call(&service)?;
    drop(server);
    let now = done("now", context.timer.now())?;
    done("sleep", context.timer.sleep(now + 50_000_000))?;
    nothing_waits(&service)?;
    done("reply", untyped::reply(header.token, b"", &[]))?;
    event(&service, EVENT_UNREFERENCED, 45)?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    nothing_waits(&service)
}

/// A server that has minted an object, and a process that asks this object when it is asked itself.
struct Asked {
    server: Child,
    asker: Child,
    front: Service,
}

/// Makes the two, and opens the direct way between them.
fn asked(context: &Context, service: &Service) -> Result<Asked, String> {
    let server = server(context, service, "serve directly")?;
    let reply = done("mint", service.root.call_untyped(1, &[6], &[], CARRIES))?;
    let object: Cap<Probe> = reply.take(0).ok_or("nothing came")?;
    let front = service::create(context)?;
    let asker = child::create(context, "ask another")?;
    child::grant(&asker, "memory", &asker.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(&asker, "endpoint", &front.endpoint, Endpoint::ALL_METHODS)?;
    child::grant(&asker, "service", &object, Probe::ALL_METHODS)?;
    done("start", asker.process.start())?;
    let mut reply = [0; 16];
    for _ in 0..4 {
        let count = done("ask", front.root.call_bytes(0, b"", &mut reply))?;
        equal("answer", reply.get(..count), Some(b"served".as_slice()))?;
    }
    Ok(Asked { server, asker, front })
}

/// Kills `first`, then the server, and asks, all in one turn: the process that is asked runs before anything was taken apart.
fn kill_and_ask(context: &Context, first: Option<&Child>, pair: &Asked) -> Outcome {
    const KILLED: u16 = OutcomeKind::Killed as u16;
    let deadline = done("now", context.timer.now())? + 1_000_000_000;
    capos_rt::flush();
    let mut kills = alloc::vec::Vec::new();
    for child in first.into_iter().chain([&pair.server]) {
        kills.push(done("begin kill", child.process.begin_kill(KILLED))?);
    }
    let call = done("begin ask", pair.front.root.begin_untyped(0, b"", &[], SMALL))?;
    let count = kills.len() as u64 + 1;
    let ready = hostile::enter(count, deadline, u64::from(context.timer.handle().0));
    check(u64::try_from(ready) == Ok(count), "a call to the dead waits")?;
    kills.into_iter().try_for_each(|kill| done("kill", kill.wait()))?;
    service::answered(call, b"disconnected")?;
    for child in first.into_iter().chain([&pair.server]) {
        equal("end", child::end(&child::wait(child)?), ("killed", 0))?;
    }
    child::kill(&pair.asker)
}

fn ending_server(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let pair = asked(context, &service)?;
    let first = child::start(context, "wait for ever")?;
    kill_and_ask(context, Some(&first), &pair)?;
    nothing_waits(&service)
}

fn dead_objects(context: &Context) -> Outcome {
    let service = service::create(context)?;
    for _ in 0..12 {
        let pair = asked(context, &service)?;
        kill_and_ask(context, None, &pair)?;
    }
    nothing_waits(&service)
}
