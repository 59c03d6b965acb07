//! Endpoints and plain calls: what is delivered, to whom, and what is refused before the server sees it.
//!
//! Called by `main`.
//!
//! Invariant: each test serves its own endpoint.

use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::handle::Handle;
use capos_rt::abi::ring::{FLAG_RESULT_IN_AREA, KERNEL_INTERFACE, Opcode, RECEIVED_HEADER_BYTES, Submission};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{self, Room};
use capos_rt::{Cap, Capability};

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::rings::submit;
use crate::service::{self, SMALL, answered, begin, pattern};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "endpoint",
        &[
            ("a call that waits is received and answered", call_first),
            ("a receive that waits gets the call", receive_first),
            ("messages of every size arrive", sizes),
            ("the kernel's words are the kernel's", header),
            ("interface 0 is the kernel's", interface_zero),
            ("masks and interfaces hold for services", checks),
            ("an exception reaches the client", exceptions),
            ("a message that the receive cannot take", too_large),
            ("a reply that the client cannot take", reply_too_large),
            ("a token is good once", token_once),
            ("nonsense as a token", token_nonsense),
            ("a reply from nowhere leaves the token good", reply_from_nowhere),
            ("a receive into nowhere leaves the call", receive_into_nowhere),
            ("a call from nowhere is refused", call_from_nowhere),
            ("replies come in any order", out_of_order),
            ("return and receive in one submission", return_and_receive),
            ("a refused return receives nothing", refused_return_and_receive),
            ("receiving needs the right to", receive_denied),
            ("a receive without room for the header", receive_without_room),
            ("without a receive side there is no service", closed),
            ("a receive of an endpoint that closes", closed_receive),
            ("a service that calls itself while it serves", nested),
            ("everything is given back", given_back),
        ],
    );
}

fn call_first(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(1, b"question", SMALL)?;
    let received = service.receive(SMALL)?;
    equal("message", received.incoming.message(), b"question".as_slice())?;
    check(!call.is_complete(), "it completed before the reply")?;
    received.reply(b"answer", &[])?;
    answered(call, b"answer")
}

fn receive_first(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(SMALL)?;
    check(!receive.is_complete(), "it completed without a call")?;
    let call = service.begin(0, b"", SMALL)?;
    let received = service::Received::of(receive.wait())?;
    equal("length", received.header.length, 0)?;
    received.reply(b"", &[])?;
    answered(call, b"")
}

fn sizes(context: &Context) -> Outcome {
    let service = service::create(context)?;
    for length in [1, 8, 63, 64, 255, 256, 257, 1000, 3000, 4096, 4104, 9000, 65_536, 65_536 + 200] {
        let room = Room { bytes: length, capabilities: 0 };
        let (question, answer) = (pattern(length, 1), pattern(length, 2));
        let call = service.begin(0, &question, room)?;
        let received = service.receive(with_header(room))?;
        check(received.incoming.message() == question, "the message is another one")?;
        received.reply(&answer, &[])?;
        let reply = done("call", call.wait())?;
        check(reply.message() == answer, "the reply is another one")?;
    }
    Ok(())
}

/// The largest buffer has to hold the header too.
fn with_header(room: Room) -> Room {
    let most = capos_rt::abi::message::MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES;
    Room { bytes: room.bytes.min(most), ..room }
}

fn header(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let minted = done("mint", service.endpoint.mint(Probe::ID ^ 1, u64::MAX - 4, 0b10))?;
    let minted: Cap<Probe> = minted.typed();
    let call = service.begin(2, b"12345678", SMALL)?;
    let root = service.receive(SMALL)?.header;
    equal("root", (root.interface, root.method, root.cookie, root.length), (Probe::ID, 2, 0, 8))?;
    done("reply", untyped::reply(root.token, b"", &[]))?;
    answered(call, b"")?;
    // By hand: the runtime states the interface of its type.
    let words = Submission {
        handle: minted.handle(),
        interface: Probe::ID ^ 1,
        method: 1,
        ..Submission::new(Opcode::Call, 31)
    };
    let receive = service.begin_receive(SMALL)?;
    hand_over(&words)?;
    let header = service::Received::of(receive.wait())?.header;
    equal("minted", (header.interface, header.method, header.cookie), (Probe::ID ^ 1, 1, u64::MAX - 4))?;
    check(header.token != root.token, "the token is the same")?;
    done("reply", untyped::reply(header.token, b"", &[]))
}

/// Submits by hand and does not wait: the runtime drops the completion, whose user data it does not know.
pub(crate) fn hand_over(submission: &Submission) -> Outcome {
    use capos_rt::abi::ring::offset;
    use capos_rt::hostile;
    capos_rt::flush();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    hostile::write_submission(tail, &submission.encode());
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    hostile::enter(0, 0, 0);
    hostile::adopt_submissions();
    Ok(())
}

fn interface_zero(context: &Context) -> Outcome {
    let made = context.spawner.create_endpoint(KERNEL_INTERFACE, 1);
    exception("create endpoint", made, Exception::InvalidArgument)?;
    let service = service::create(context)?;
    exception("mint", service.endpoint.mint(KERNEL_INTERFACE, 1, 1), Exception::InvalidArgument)
}

fn checks(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = |cap: &Cap<Probe>, method| cap.call_untyped(method, b"", &[], SMALL);
    for method in [3, 63, 64, 0xffff] {
        refused("unknown method", call(&service.root, method), Transport::NoSuchMethod)?;
    }
    let narrow = done("derive", service.root.derive(0b010))?;
    refused("denied method", call(&narrow, 0), Transport::MethodDenied)?;
    refused("widened mask", narrow.derive(0b011), Transport::MaskNotWithin)?;
    let other = done("mint", service.endpoint.mint(Probe::ID ^ 2, 1, 1))?.typed::<Probe>();
    refused("other interface", call(&other, 0), Transport::WrongInterface)?;
    // Nothing of this has reached the server.
    let call = begin(&narrow, 1, b"", &[], SMALL)?;
    let received = service.receive(SMALL)?;
    equal("method", received.header.method, 1)?;
    received.reply(b"", &[])?;
    answered(call, b"")
}

fn exceptions(context: &Context) -> Outcome {
    let service = service::create(context)?;
    for reason in Exception::ALL {
        let call = service.begin(0, b"", SMALL)?;
        let token = service.receive(SMALL)?.header.token;
        done("refuse", untyped::refuse(token, *reason))?;
        exception("call", call.wait(), *reason)?;
    }
    exception("receive, called", service.endpoint.receive(), Exception::Unimplemented)
}

fn too_large(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(Room { bytes: 16, capabilities: 0 })?;
    let large = service.begin(0, &[7; 24], SMALL)?;
    refused("large call", large.wait(), Transport::TooLarge)?;
    check(!receive.is_complete(), "the receive was told")?;
    let waiting = [service.begin(0, &[7; 25], SMALL)?, service.begin(0, &[8; 16], SMALL)?];
    let [larger, fitting] = waiting;
    refused("larger call", larger.wait(), Transport::TooLarge)?;
    let received = service::Received::of(receive.wait())?;
    equal("message", received.incoming.message(), [8; 16].as_slice())?;
    received.reply(b"", &[])?;
    answered(fitting, b"")
}

fn reply_too_large(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", Room { bytes: 8, capabilities: 0 })?;
    let token = service.receive(SMALL)?.header.token;
    refused("reply", untyped::reply(token, &[1; 16], &[]), Transport::TooLarge)?;
    refused("call", call.wait(), Transport::TooLarge)?;
    refused("second reply", untyped::reply(token, b"", &[]), Transport::CallerGone)
}

fn token_once(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    done("reply", untyped::reply(token, b"1", &[]))?;
    refused("again", untyped::reply(token, b"2", &[]), Transport::CallerGone)?;
    refused("exception", untyped::refuse(token, Exception::Failed), Transport::CallerGone)?;
    answered(call, b"1")
}

fn token_nonsense(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    // The operation of the sleep is no call, and nobody received the one that waits.
    let sleep = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    capos_rt::flush();
    for token in (0..64).flat_map(|index| [index, index | 1 << 32, index | 2 << 32]) {
        refused("reply", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    }
    for token in [u64::MAX, 1 << 63, 0xffff_ffff] {
        refused("reply", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    }
    drop(sleep);
    let received = service.receive(SMALL)?;
    received.reply(b"", &[])?;
    answered(call, b"")
}

fn reply_from_nowhere(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    let bad =
        Submission { address: 0x1000, length: 8, operand: token, ..Submission::new(Opcode::Return, 41) };
    equal("return", submit(&bad.encode()).result, Transport::BadAddress.result())?;
    done("reply", untyped::reply(token, b"good", &[]))?;
    answered(call, b"good")
}

fn receive_into_nowhere(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let bad = Submission {
        handle: service.endpoint.handle(),
        result_address: 0x1000,
        result_capacity: 64,
        ..Submission::new(Opcode::Receive, 42)
    };
    equal("receive", submit(&bad.encode()).result, Transport::BadAddress.result())?;
    let received = service.receive(SMALL)?;
    received.reply(b"", &[])?;
    answered(call, b"")
}

fn call_from_nowhere(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(SMALL)?;
    let call = Submission {
        handle: service.root.handle(),
        interface: Probe::ID,
        address: 0xffff_8000_0000_0000,
        length: 8,
        ..Submission::new(Opcode::Call, 43)
    };
    equal("call", submit(&call.encode()).result, Transport::BadAddress.result())?;
    check(!receive.is_complete(), "the receive was told")
}

fn out_of_order(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mut calls = Vec::new();
    for index in 0..6u8 {
        calls.push(service.begin(0, &[index], SMALL)?);
    }
    let mut received = Vec::new();
    for index in 0..6u8 {
        let one = service.receive(SMALL)?;
        equal("message", one.incoming.message(), [index].as_slice())?;
        received.push(one);
    }
    for index in [3, 0, 5, 1, 4, 2] {
        received[index].reply(&[index as u8 + 100], &[])?;
        check(calls[index].is_complete(), "the reply has not arrived")?;
    }
    calls.into_iter().zip(100u8..).try_for_each(|(call, expected)| answered(call, &[expected]))
}

fn return_and_receive(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let first = service.begin(0, b"first", SMALL)?;
    let second = service.begin(0, b"second", SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    let next = service.endpoint.begin_reply_and_accept(token, b"one", &[], SMALL);
    let next = service::Received::of(done("begin", next)?.wait())?;
    equal("message", next.incoming.message(), b"second".as_slice())?;
    answered(first, b"one")?;
    let waiting = service.endpoint.begin_reply_and_accept(next.header.token, b"two", &[], SMALL);
    let waiting = done("begin", waiting)?;
    capos_rt::flush();
    answered(second, b"two")?;
    check(!waiting.is_complete(), "it completed without a call")?;
    drop(waiting);
    let third = service.begin(0, b"", SMALL)?;
    service.receive(SMALL)?.reply(b"three", &[])?;
    answered(third, b"three")
}

fn refused_return_and_receive(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", SMALL)?;
    let next = service.endpoint.begin_reply_and_accept(0x7777, b"", &[], SMALL);
    refused("return and receive", done("begin", next)?.wait(), Transport::CallerGone)?;
    service.receive(SMALL)?.reply(b"", &[])?;
    answered(call, b"")
}

/// A receive by hand; what its completion says.
fn receive_by_hand(handle: Handle, capacity: u32) -> i32 {
    let receive = Submission {
        handle,
        flags: FLAG_RESULT_IN_AREA,
        result_address: 6144,
        result_capacity: capacity,
        ..Submission::new(Opcode::Receive, 44)
    };
    submit(&receive.encode()).result
}

fn receive_denied(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let only_mint = done("derive", service.endpoint.derive(1 << Endpoint::MINT))?;
    equal("denied", receive_by_hand(only_mint.handle(), 64), Transport::MethodDenied.result())?;
    equal("timer", receive_by_hand(context.timer.handle(), 64), Transport::WrongInterface.result())?;
    equal("root", receive_by_hand(service.root.handle(), 64), Transport::WrongInterface.result())?;
    equal("nothing", receive_by_hand(Handle::NULL, 64), Transport::BadHandle.result())?;
    let only_receive = done("derive", service.endpoint.derive(1 << Endpoint::RECEIVE))?;
    refused("mint", only_receive.mint(Probe::ID, 1, 1), Transport::MethodDenied)
}

fn receive_without_room(context: &Context) -> Outcome {
    let service = service::create(context)?;
    for capacity in [0, 8, RECEIVED_HEADER_BYTES as u32 - 8] {
        let result = receive_by_hand(service.endpoint.handle(), capacity);
        equal("receive", result, Transport::TooLarge.result())?;
    }
    Ok(())
}

fn closed(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let second = done("derive", service.endpoint.derive(Endpoint::ALL_METHODS))?;
    let minted = done("mint", service.endpoint.mint(Probe::ID, 5, 1))?.typed::<Probe>();
    let service::Service { endpoint, root } = service;
    drop(endpoint);
    let waiting = [begin(&root, 0, b"", &[], SMALL)?, begin(&minted, 0, b"", &[], SMALL)?];
    check(waiting.iter().all(|call| !call.is_complete()), "it closed too early")?;
    drop(second);
    for call in waiting {
        refused("waiting call", call.wait(), Transport::Disconnected)?;
    }
    refused("root", root.call_untyped(0, b"", &[], SMALL), Transport::Disconnected)?;
    refused("minted", minted.call_untyped(0, b"", &[], SMALL), Transport::Disconnected)
}

fn closed_receive(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(SMALL)?;
    let call = service.begin(0, b"", SMALL)?;
    let received = service::Received::of(receive.wait())?;
    let receive = service.begin_receive(SMALL)?;
    let service::Service { endpoint, root } = service;
    drop(endpoint);
    refused("receive", receive.wait(), Transport::Disconnected)?;
    // What was received can be answered still.
    received.reply(b"late", &[])?;
    answered(call, b"late")?;
    refused("call", root.call_untyped(0, b"", &[], SMALL), Transport::Disconnected)
}

fn nested(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let outer = service.begin(0, b"outer", SMALL)?;
    let received = service.receive(SMALL)?;
    let inner = service.begin(1, b"inner", SMALL)?;
    let within = service.receive(SMALL)?;
    equal("message", within.incoming.message(), b"inner".as_slice())?;
    within.reply(b"1", &[])?;
    answered(inner, b"1")?;
    received.reply(b"2", &[])?;
    answered(outer, b"2")
}

fn given_back(context: &Context) -> Outcome {
    let round = || -> Outcome {
        call_first(context)?;
        header(context)?;
        closed(context)?;
        reply_too_large(context)
    };
    round()?;
    let _ = context.memory.usage();
    let before = done("usage", context.memory.usage())?.committed;
    for _ in 0..20 {
        round()?;
    }
    let _ = context.memory.usage();
    equal("committed", done("usage", context.memory.usage())?.committed, before)
}
