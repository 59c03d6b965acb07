//! The generated stubs: every kind of parameter and result, and what is no message of its method.
//!
//! Called by `main`.
//!
//! Invariant: each test serves its own endpoint; what is refused never reaches the service.

use alloc::vec;
use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::schema::console::{Console, ConsoleOpenParams, ConsoleStream, ConsoleWriteParams};
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::{MemoryObject, MemoryObjectReadParams, MemoryObjectReadResults};
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleGrantParams};
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::server::{Loop, Next};
use capos_rt::untyped::{Incoming, Outgoing, Room};
use capos_rt::{Cap, Deadline, flush};

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::stub_service::{Recorder, create, mint, serve, serving};
use crate::{child, service};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "stubs",
        &[
            ("scalars, enums, texts and bytes", scalars),
            ("structs in structs", nested),
            ("bytes out of the service's own memory", bytes),
            ("capabilities in parameters", capability_parameters),
            ("each object has its cookie", cookies),
            ("every exception arrives", exceptions),
            ("what is no message is refused", malformed),
            ("a capability that is not there", missing_capability),
            ("a method that the stub does not have", unknown_method),
            ("an interface that is not served", unknown_interface),
            ("an answer that is larger than the room for it", large_answer),
            ("a call that is larger than the room for it", large_call),
            ("messages of every size, in another process", large_messages),
        ],
    );
}

fn scalars(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let written = serve(&mut serving, &mut service, done("begin", console.begin_write(b"hello"))?);
    equal("written", done("write", written)?, 5)?;
    let opened = done("begin", console.begin_open("a name", ConsoleStream::Error))?;
    let opened = done("open", serve(&mut serving, &mut service, opened))?;
    let timer: Cap<Timer> = mint(&endpoint, 1)?;
    let now = done("begin", timer.begin_now())?;
    equal("now", done("now", serve(&mut serving, &mut service, now))?, 42)?;
    drop(opened);
    equal("told", service.told.as_slice(), &["0: write hello".into(), "0: open a name Error".into()])
}

fn nested(context: &Context) -> Outcome {
    let (endpoint, process) = create::<ProcessHandle>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let end = done("wait", serve(&mut serving, &mut service, done("begin", process.begin_wait())?))?;
    equal("end", (end.kind, end.code, end.report.as_str()), (3, 9, "it fell"))?;
    let fault = (end.fault.vector, end.fault.error_code, end.fault.address, end.fault.instruction_pointer);
    equal("fault", fault, (14, 6, 0x1000, 0x40_0000))
}

fn bytes(context: &Context) -> Outcome {
    let (endpoint, object) = create::<MemoryObject>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    service.contents = service::pattern(100, 3);
    let info = done("info", serve(&mut serving, &mut service, done("begin", object.begin_info())?))?;
    equal("info", (info.bytes, info.is_sealed), (100, true))?;
    let mut message = [0; 64];
    let length = MemoryObjectReadParams { offset: 10, length: 80 }.encode(&mut message).unwrap_or(0);
    let room = Room { bytes: 128, capabilities: 0 };
    let call = done("begin", object.begin_untyped(MemoryObject::READ, &message[..length], &[], room))?;
    while !call.is_complete() {
        done("next", serving.next(&mut service, &[], at_once(context)?))?;
    }
    let reply = done("read", call.wait())?;
    let results =
        MemoryObjectReadResults::decode(reply.message()).map_err(|error| alloc::format!("{error}"))?;
    equal("bytes", results.bytes, &service::pattern(100, 3)[10..90])?;
    let call = done("begin", object.begin_write(0, b"other"))?;
    done("write", serve(&mut serving, &mut service, call))?;
    equal("contents", service.contents.as_slice(), b"other")
}

/// A deadline that has passed: the loop hands everything over and looks once.
fn at_once(context: &Context) -> Result<Deadline<'_>, alloc::string::String> {
    Ok(Deadline::at(&context.timer, done("now", context.timer.now())?))
}

fn capability_parameters(context: &Context) -> Outcome {
    let (endpoint, process) = create::<ProcessHandle>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let call = done("begin", process.begin_grant("clock", &context.timer, 0b101))?;
    done("grant", serve(&mut serving, &mut service, call))?;
    let call = done("begin", process.begin_grant("no clock", &context.console, 1))?;
    done("grant", serve(&mut serving, &mut service, call))?;
    let notification = done("create", context.spawner.create_notification())?;
    let call = done("begin", process.begin_bind(&notification, 0b11))?;
    done("bind", serve(&mut serving, &mut service, call))?;
    equal("bits", done("poll", notification.poll(u64::MAX))?, 0b11)?;
    let expected =
        ["grant clock 0b101 true".into(), "grant no clock 0b1 false".into(), "bind 0b11 true".into()];
    equal("told", service.told.as_slice(), &expected)
}

fn cookies(context: &Context) -> Outcome {
    let (endpoint, root) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let other: Cap<Console> = mint(&endpoint, u64::MAX)?;
    let opened = done("begin", root.begin_open("new", ConsoleStream::Output))?;
    let opened = done("open", serve(&mut serving, &mut service, opened))?;
    for console in [&root, &other, &opened] {
        let call = done("begin", console.begin_write(b"x"))?;
        done("write", serve(&mut serving, &mut service, call))?;
    }
    // It was minted with one method: there is no other.
    refused("open", opened.open("more", ConsoleStream::Output), Transport::NoSuchMethod)?;
    let told: Vec<&str> = service.told[1..].iter().map(|line| line.as_str()).collect();
    equal("told", told.as_slice(), &["0: write x", "18446744073709551615: write x", "7: write x"])
}

fn exceptions(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    for expected in Exception::ALL {
        service.refusal = Some(*expected);
        let call = done("begin", console.begin_write(b"x"))?;
        exception("write", serve(&mut serving, &mut service, call), *expected)?;
    }
    service.refusal = None;
    let call = done("begin", console.begin_write(b"x"))?;
    equal("written", done("write", serve(&mut serving, &mut service, call))?, 1)
}

/// Calls with bytes, and returns what came of it.
fn raw<T: Interface>(
    (serving, service): (&mut Loop<'_>, &mut Recorder),
    object: &Cap<T>,
    method: u16,
    message: &[u8],
    capabilities: &[Outgoing<'_>],
) -> Result<Result<Incoming, CallError>, alloc::string::String> {
    let room = Room { bytes: 128, capabilities: 1 };
    let call = done("begin", object.begin_untyped(method, message, capabilities, room))?;
    // The call, and the answer to it.
    equal("next", done("next", serving.next(service, &[], Deadline::NEVER))?, Next::Served)?;
    done("submit", serving.submit())?;
    flush();
    Ok(call.wait())
}

fn malformed(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let good = |stream: u16| {
        let mut message = vec![0; 64];
        let parameters = ConsoleOpenParams { name: "abc", stream: ConsoleStream::Output };
        let length = parameters.encode(&mut message).unwrap_or(0);
        message.truncate(length);
        message[8..10].copy_from_slice(&stream.to_le_bytes());
        message
    };
    let changed = |at: usize, byte: u8| {
        let mut message = good(0);
        message[at] = byte;
        message
    };
    let messages = [
        ("an enumerant that there is not", good(2)),
        ("not whole words", good(0)[..30].to_vec()),
        ("a far pointer", changed(0, 2)),
        ("a root outside", changed(0, 0xfc)),
        ("a text without its end", changed(27, b'd')),
        ("a text that is not UTF-8", changed(24, 0xff)),
        ("a struct where a text is due", changed(16, 0)),
        ("nothing but a wild root", vec![0xff; 8]),
    ];
    for (what, message) in messages {
        let answer = raw((&mut serving, &mut service), &console, Console::OPEN, &message, &[])?;
        exception(what, answer.map(drop), Exception::InvalidArgument)?;
    }
    let mut long = vec![0; 32];
    let parameters = ConsoleWriteParams { bytes: b"12345678" };
    equal("length", parameters.encode(&mut long).unwrap_or(0), 24)?;
    // Nine words of data where there is one.
    long[12..16].copy_from_slice(&(72_u32 << 3 | 2).to_le_bytes());
    let answer = raw((&mut serving, &mut service), &console, Console::WRITE, &long[..24], &[])?;
    exception("too long a list", answer.map(drop), Exception::InvalidArgument)?;
    check(service.told.is_empty(), "one of them reached the service")
}

fn missing_capability(context: &Context) -> Outcome {
    let (endpoint, process) = create::<ProcessHandle>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    for capability in [None, Some(1), Some(u32::MAX)] {
        let mut message = [0; 128];
        let parameters = ProcessHandleGrantParams { name: "x", capability, methods: 1 };
        let length = parameters.encode(&mut message).unwrap_or(0);
        let sent = [Outgoing::Copy(&context.timer)];
        let hands = (&mut serving, &mut service);
        let answer = raw(hands, &process, ProcessHandle::GRANT, &message[..length], &sent)?;
        exception("grant", answer.map(drop), Exception::InvalidArgument)?;
    }
    check(service.told.is_empty(), "one of them reached the service")
}

fn unknown_method(context: &Context) -> Outcome {
    let (endpoint, _) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let wide = done("mint", endpoint.mint(Console::ID, 1, u64::MAX))?;
    let wide: Cap<Console> = wide.typed();
    for method in [2, 63] {
        let answer = raw((&mut serving, &mut service), &wide, method, b"", &[])?;
        exception("call", answer.map(drop), Exception::Unimplemented)?;
    }
    check(service.told.is_empty(), "one of them reached the service")
}

fn unknown_interface(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (mut serving, mut recorder) = (serving(&service.endpoint)?, Recorder::default());
    let answer = raw((&mut serving, &mut recorder), &service.root, 0, b"", &[])?;
    exception("call", answer.map(drop), Exception::Unimplemented)
}

fn large_answer(context: &Context) -> Outcome {
    let (endpoint, object) = create::<MemoryObject>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    service.contents = vec![1; 300];
    let mut message = [0; 64];
    let length = MemoryObjectReadParams { offset: 0, length: 300 }.encode(&mut message).unwrap_or(0);
    let hands = (&mut serving, &mut service);
    let answer = raw(hands, &object, MemoryObject::READ, &message[..length], &[])?;
    exception("read", answer.map(drop), Exception::Failed)
}

fn large_call(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let call = done("begin", console.begin_write(&[b'x'; 300]))?;
    refused("write", serve(&mut serving, &mut service, call), Transport::TooLarge)?;
    check(service.told.is_empty(), "it reached the service")
}

fn large_messages(context: &Context) -> Outcome {
    let (endpoint, object) = create::<MemoryObject>(context)?;
    let child = child::create(context, "serve contents")?;
    child::grant(&child, "endpoint", &endpoint, 1)?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    done("start", child.process.start())?;
    drop(endpoint);
    let mut buffer = vec![0; 65_536];
    for length in [0, 1, 7, 8, 100, 4000, 4096, 20_000, 65_536] {
        let contents = service::pattern(length, 5);
        done("write", object.write(0, &contents))?;
        let found = done("read", object.read(0, length as u32, &mut buffer))?;
        equal("bytes", found, length)?;
        check(buffer[..found] == contents, "other bytes")?;
    }
    exception("read", object.read(1, 65_536, &mut buffer), Exception::InvalidArgument)?;
    done("kill", child.process.kill(capos_rt::abi::outcome::OutcomeKind::Killed as u16))?;
    refused("read", object.read(0, 1, &mut buffer), Transport::Disconnected)
}
