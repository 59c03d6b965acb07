//! Messages that lie in pages of their own: copied from frame to frame, at any offset, and refused where a page is missing.
//!
//! Called by `main`. What the runtime would place itself is placed by hand here.
//!
//! Invariant: nobody has touched a page into which a message goes before it arrives.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::Capability;
use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{Opcode, RECEIVED_HEADER_BYTES, ReceivedHeader, Submission};
use capos_rt::hostile;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::{MemoryObject, MemoryObjectWriteParams};
use capos_rt::untyped::{self, Room};

use crate::child::{end, wait};
use crate::context::Context;
use crate::endpoints::hand_over;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::lives::server;
use crate::rings::submit;
use crate::service::{self, SMALL, Service, answered, pattern};

const PAGE: u64 = 4096;
/// Pages of a range: the largest message fits at every offset.
const PAGES: u64 = 18;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "long message",
        &[
            ("it goes from any offset in a page to any other", offsets),
            ("a page of it that is missing", missing_page),
            ("a page for it that is missing", missing_room),
            ("a page for it that can only be read", room_to_read),
            ("a reply with a page missing leaves the token good", missing_reply),
            ("an object's bytes with a page missing", missing_bytes),
            ("it is lent where it lies", lent),
        ],
    );
}

/// Committed pages that nobody has touched.
struct Range<'c> {
    context: &'c Context,
    start: u64,
}

impl<'c> Range<'c> {
    fn new(context: &'c Context) -> Result<Range<'c>, String> {
        let start = done("reserve", context.memory.reserve(PAGES * PAGE))?;
        done("commit", context.memory.commit(start, PAGES * PAGE))?;
        Ok(Range { context, start })
    }

    /// Takes one page away.
    fn without(self, page: u64) -> Result<Range<'c>, String> {
        done("decommit", self.context.memory.decommit(self.start + page * PAGE, PAGE))?;
        Ok(self)
    }

    fn end(self) -> Outcome {
        done("unmap", self.context.memory.unmap(self.start, PAGES * PAGE))
    }
}

fn fill(address: u64, bytes: &[u8]) {
    for (place, byte) in (address..).zip(bytes) {
        hostile::store_byte(place, *byte);
    }
}

fn read(address: u64, length: usize) -> Vec<u8> {
    (address..).take(length).map(hostile::load).collect()
}

/// A call whose message lies at an address.
fn call_from(service: &Service, address: u64, length: usize) -> Submission {
    Submission {
        handle: service.root.handle(),
        interface: Probe::ID,
        address,
        length: length as u32,
        ..Submission::new(Opcode::Call, 51)
    }
}

/// A receive into an address.
fn receive_into(service: &Service, address: u64, room: usize) -> Submission {
    Submission {
        handle: service.endpoint.handle(),
        result_address: address,
        result_capacity: room as u32,
        ..Submission::new(Opcode::Receive, 52)
    }
}

/// The kernel's words in front of what was received at an address.
fn header_at(address: u64) -> ReceivedHeader {
    let bytes = read(address, RECEIVED_HEADER_BYTES);
    let mut words = [0; RECEIVED_HEADER_BYTES / 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    ReceivedHeader::decode(&words)
}

fn offsets(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let places = [(0, 0, 4096), (8, 4080, 20_000), (4088, 8, 12_289), (2048, 2056, 65_536), (0, 4056, 8191)];
    for (from, to, length) in places {
        let (source, target) = (Range::new(context)?, Range::new(context)?);
        let message = pattern(length, 3);
        fill(source.start + from, &message);
        hand_over(&call_from(&service, source.start + from, length))?;
        let place = target.start + to;
        let room = length + RECEIVED_HEADER_BYTES;
        let completion = submit(&receive_into(&service, place, room).encode());
        equal("receive", (completion.result, completion.length as usize), (0, room))?;
        let header = header_at(place);
        equal("length", header.length as usize, length)?;
        check(read(place + RECEIVED_HEADER_BYTES as u64, length) == message, "other bytes arrived")?;
        equal("the byte behind", hostile::load(place + room as u64), 0)?;
        done("reply", untyped::reply(header.token, b"", &[]))?;
        source.end()?;
        target.end()?;
    }
    Ok(())
}

fn missing_page(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(Room { bytes: 40_000, capabilities: 0 })?;
    let source = Range::new(context)?.without(2)?;
    for (page, length) in [(0, 9_000), (1, 4_097), (2, 1)] {
        let call = call_from(&service, source.start + page * PAGE, length);
        equal("call", submit(&call.encode()).result, Transport::BadAddress.result())?;
        check(!receive.is_complete(), "the receive was told")?;
    }
    drop(receive);
    source.end()
}

fn missing_room(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let target = Range::new(context)?.without(1)?;
    let message = pattern(10_000, 5);
    let call = service.begin(0, &message, SMALL)?;
    for place in [0, PAGE - 8, PAGE, 2 * PAGE - RECEIVED_HEADER_BYTES as u64] {
        let receive = receive_into(&service, target.start + place, 12_000);
        equal("receive", submit(&receive.encode()).result, Transport::BadAddress.result())?;
    }
    received_whole(&service, &message)?;
    answered(call, b"")?;
    target.end()
}

/// The call that waits arrives as it was made.
fn received_whole(service: &Service, message: &[u8]) -> Outcome {
    let received = service.receive(Room { bytes: message.len(), capabilities: 0 })?;
    check(received.incoming.message() == message, "another message arrived")?;
    received.reply(b"", &[])
}

fn room_to_read(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("create", context.memory.create_object(4 * PAGE))?;
    let address = done("map", context.memory.map(&object, 0, 4 * PAGE, false))?;
    let message = pattern(10_000, 6);
    let call = service.begin(0, &message, SMALL)?;
    // Pages that nobody has touched, and pages that are there.
    for _ in 0..2 {
        let receive = receive_into(&service, address, 12_000);
        equal("receive", submit(&receive.encode()).result, Transport::BadAddress.result())?;
        check(read(address, 3 * PAGE as usize).iter().all(|byte| *byte == 0), "it was written")?;
    }
    received_whole(&service, &message)?;
    answered(call, b"")?;
    done("unmap", context.memory.unmap(address, 4 * PAGE))
}

fn missing_reply(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let source = Range::new(context)?.without(1)?;
    let call = service.begin(0, b"", Room { bytes: 20_000, capabilities: 0 })?;
    let token = service.receive(SMALL)?.header.token;
    let reply = Submission {
        address: source.start,
        length: 8_192,
        operand: token,
        ..Submission::new(Opcode::Return, 53)
    };
    equal("return", submit(&reply.encode()).result, Transport::BadAddress.result())?;
    let message = pattern(9_000, 7);
    done("reply", untyped::reply(token, &message, &[]))?;
    answered(call, &message)?;
    source.end()
}

fn missing_bytes(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(4 * PAGE))?;
    let source = Range::new(context)?.without(1)?;
    let bytes = vec![1; 2 * PAGE as usize];
    let parameters = MemoryObjectWriteParams { offset: 100, bytes: &bytes };
    let mut message = vec![0; parameters.encoded_bytes()];
    let length = parameters.encode(&mut message).map_err(|_| "no message")?;
    fill(source.start, message.get(..PAGE as usize).unwrap_or(&[]));
    let write = Submission {
        handle: object.handle(),
        interface: MemoryObject::ID,
        method: MemoryObject::WRITE,
        address: source.start,
        length: length as u32,
        ..Submission::new(Opcode::Call, 54)
    };
    equal("write", submit(&write.encode()).result, Transport::BadAddress.result())?;
    source.end()
}

fn lent(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = server(context, &service, "serve echo")?;
    for (length, place) in [(1024, 0), (1032, 0), (4096, 0), (10_000, 8), (65_536, 0), (4097, 0), (9000, 1)] {
        let message = pattern(place + length, 4);
        let mut reply = vec![0; place + length];
        let (question, answer) = (message.get(place..), reply.get_mut(place..));
        let (question, answer) = (question.unwrap_or_default(), answer.unwrap_or_default());
        equal("call", done("call", service.root.call_bytes(0, question, answer))?, length)?;
        check(message.get(place..) == reply.get(place..), "another echo")?;
    }
    // The server hears of it too, and ends.
    let (mut short, long) = ([0; 16], vec![1; 2048]);
    refused("short reply", service.root.call_bytes(0, &long, &mut short), Transport::TooLarge)?;
    equal("end", end(&wait(&child)?), ("exited", 3))
}
