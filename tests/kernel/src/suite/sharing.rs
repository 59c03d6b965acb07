//! Memory objects between processes: who sees what, who pays, and what is left when one of them ends.
//!
//! Called by `main`; starts `crash`.
//!
//! Invariant: what a test maps it unmaps, and the suite's account is then what it was.

use alloc::string::String;

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::hostile;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::Outgoing;
use capos_rt::{Cap, CapSet};

use crate::child::{self, LIMIT, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::service::{self, CARRIES, SMALL, begin};

const PAGE: u64 = 4096;
/// What a page fault's error code says: a page was there, a write, of ring 3.
const WRITE_REFUSED: u32 = 1 | 2 | 4;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "sharing",
        &[
            ("mappings that overlap show the same bytes", overlapping),
            ("an object that travels is mapped where it arrives", travels),
            ("a narrower capability maps read-only, in another process too", narrower),
            ("a read-only mapping is not written", read_only),
            ("a writable mapping elsewhere holds a seal up until its process ends", seal_waits),
            ("pages cost when the object is made, not when they are touched", paid_once),
            ("sizes that cannot be are refused", huge),
            ("who holds an object when its creator ends keeps it, on the account above", creator_ends),
            ("a mapping outlives the process that is charged", charged_ends),
            ("rings, CapSet, stack and code are not unmapped", fixed_pages),
            ("no more mappings than the limit pays for", many_mappings),
        ],
    );
}

fn usage(context: &Context) -> Result<u64, String> {
    // Releases are handed over with the next call: the first call brings them, the second counts.
    done("usage", context.memory.usage())?;
    Ok(done("usage", context.memory.usage())?.committed)
}

fn overlapping(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(4 * PAGE))?;
    let whole = done("map", context.memory.map(&object, 0, 4 * PAGE, true))?;
    let middle = done("map", context.memory.map(&object, PAGE, 2 * PAGE, true))?;
    let end = done("map", context.memory.map(&object, 2 * PAGE, 2 * PAGE, false))?;
    hostile::store_byte(middle + PAGE + 7, 9);
    hostile::store_byte(whole + PAGE, 5);
    let seen = [whole + 2 * PAGE + 7, end + 7, middle, whole + 3 * PAGE].map(hostile::load);
    equal("bytes", seen, [9, 9, 5, 0])?;
    done("unmap", context.memory.unmap(whole, 4 * PAGE))?;
    equal("bytes", (hostile::load(middle), hostile::load(end + 7)), (5, 9))?;
    done("unmap", context.memory.unmap(middle, 2 * PAGE))?;
    done("seal", object.seal())?;
    done("unmap", context.memory.unmap(end, 2 * PAGE))
}

fn travels(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mine = done("create", context.memory.create_object(PAGE))?;
    done("write", mine.write(0, b"moved"))?;
    let address = done("map", context.memory.map(&mine, 0, PAGE, true))?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Move(&mine)], SMALL)?;
    let received = service.receive(CARRIES)?;
    refused("the sender's", mine.info(), Transport::BadHandle)?;
    core::mem::forget(mine);
    let object: Cap<MemoryObject> = received.incoming.take(0).ok_or("nothing came")?;
    received.reply(b"", &[])?;
    done("call", call.wait())?;
    let other = done("map", context.memory.map(&object, 0, PAGE, false))?;
    hostile::store_byte(address, b'l');
    equal("bytes", (hostile::load(other), hostile::load(other + 1)), (b'l', b'o'))?;
    done("unmap", context.memory.unmap(address, PAGE))?;
    done("unmap", context.memory.unmap(other, PAGE))
}

/// A child with an address space and `object` with `methods`; it has been started.
fn child_with(
    context: &Context,
    argument: &str,
    object: &Cap<MemoryObject>,
    methods: u64,
) -> Result<child::Child, String> {
    let child = child::create(context, argument)?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(&child, "object", object, methods)?;
    done("start", child.process.start())?;
    Ok(child)
}

const READ: u64 = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;

fn narrower(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, b"r"))?;
    let child = child_with(context, "map what is read only", &object, READ)?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}

fn read_only(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, b"r"))?;
    let child = child_with(context, "write a read-only mapping", &object, MemoryObject::ALL_METHODS)?;
    let reply = child::wait(&child)?;
    equal("end", end(&reply).0, "fault")?;
    equal("fault", (reply.fault.vector, reply.fault.error_code), (14, WRITE_REFUSED))?;
    let mut byte = [0];
    done("read", object.read(0, 1, &mut byte))?;
    equal("byte", byte, *b"r")
}

fn seal_waits(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, &[1]))?;
    let children = [child::sharing(context, &object)?, child::sharing(context, &object)?];
    for child in &children {
        exception("seal", object.seal(), Exception::Failed)?;
        child::kill(child)?;
    }
    done("seal", object.seal())?;
    exception("map", context.memory.map(&object, 0, PAGE, true), Exception::Failed)
}

fn paid_once(context: &Context) -> Outcome {
    const PAGES: u64 = 512;
    let before = usage(context)?;
    let object = done("create", context.memory.create_object(PAGES * PAGE))?;
    let made = usage(context)?;
    check(made - before >= PAGES * PAGE, "the pages are not charged")?;
    let reader = done("map", context.memory.map(&object, 0, PAGES * PAGE, false))?;
    check(usage(context)? - made <= 4 * PAGE, "mapping charged the pages once more")?;
    done("unmap", context.memory.unmap(reader, PAGES * PAGE))?;
    let address = done("map", context.memory.map(&object, 0, PAGES * PAGE, true))?;
    let mapped = usage(context)?;
    check(mapped - made <= (PAGES + 4) * PAGE, "mapping charged more than what may take its place")?;
    for page in 0..PAGES {
        equal("byte", hostile::load(address + page * PAGE), 0)?;
        hostile::store_byte(address + page * PAGE, 1);
    }
    equal("touched", usage(context)?, mapped)?;
    done("unmap", context.memory.unmap(address, PAGES * PAGE))?;
    drop(object);
    equal("given back", usage(context)?, before)
}

fn huge(context: &Context) -> Outcome {
    let before = usage(context)?;
    for bytes in [(64 << 30) + 1, 1 << 46, 1 << 63, u64::MAX - 4095, u64::MAX] {
        refused("create", context.memory.create_object(bytes), Transport::LimitReached)?;
    }
    let object = done("create", context.memory.create_object(PAGE))?;
    let last = u64::MAX & !(PAGE - 1);
    for (offset, length) in [(0, last), (last, last), (last, PAGE), (0, 1 << 46), (1 << 46, PAGE)] {
        exception("map", context.memory.map(&object, offset, length, false), Exception::InvalidArgument)?;
    }
    drop(object);
    equal("usage", usage(context)?, before)
}

/// An object charged to a child, held by the suite as well.
fn of_a_child(context: &Context, pages: u64) -> Result<(child::Child, Cap<MemoryObject>), String> {
    let child = child::start(context, "wait for ever")?;
    let object = done("create", child.memory.create_object(pages * PAGE))?;
    done("write", object.write(0, b"kept"))?;
    Ok((child, object))
}

fn creator_ends(context: &Context) -> Outcome {
    const PAGES: u64 = 16;
    let before = usage(context)?;
    let (child, object) = of_a_child(context, PAGES)?;
    check(usage(context)? - before >= LIMIT, "the child's limit is not the suite's")?;
    child::kill(&child)?;
    drop(child);
    let kept = usage(context)? - before;
    check((PAGES * PAGE..(PAGES + 4) * PAGE).contains(&kept), "the object is not charged above")?;
    let mut bytes = [0; 4];
    done("read", object.read(0, 4, &mut bytes))?;
    equal("bytes", &bytes, b"kept")?;
    drop(object);
    equal("usage", usage(context)?, before)
}

fn charged_ends(context: &Context) -> Outcome {
    let before = usage(context)?;
    let (owner, object) = of_a_child(context, 1)?;
    let user = child::sharing(context, &object)?;
    let address = done("map", context.memory.map(&object, 0, PAGE, true))?;
    child::kill(&owner)?;
    drop(owner);
    drop(object);
    equal("bytes", (hostile::load(address), hostile::load(address + 1)), (b'k', 1))?;
    // The byte 0 tells the other user to go on: it finds that its capability was not revoked.
    hostile::store_byte(address, 0);
    equal("end", end(&child::wait(&user)?), ("exited", 3))?;
    drop(user);
    hostile::store_byte(address, 7);
    done("unmap", context.memory.unmap(address, PAGE))?;
    equal("usage", usage(context)?, before)
}

fn fixed_pages(context: &Context) -> Outcome {
    let local = 0u8;
    let entry = CapSet::of_this_process().entry("timer");
    let capset = entry.map_or(0, |entry| entry.name.as_ptr() as u64);
    let ring = hostile::region_address();
    let region = hostile::layout().region_bytes() as u64;
    for (address, length) in [
        (ring, region),
        (ring, PAGE),
        (capset & !(PAGE - 1), PAGE),
        (fixed_pages as *const () as u64 & !(PAGE - 1), PAGE),
        (&raw const local as u64 & !(PAGE - 1), PAGE),
        (0x1000, 1 << 30),
    ] {
        exception("unmap", context.memory.unmap(address, length), Exception::InvalidArgument)?;
    }
    done("now", context.timer.now()).map(|_| ())
}

/// Each mapping of a page is charged for its record and its tables, so a process of 2 MiB has few at once.
fn many_mappings(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    let child = child::create(context, "exit 0")?;
    let mut count = 0;
    let refusal = loop {
        match child.memory.map(&object, 0, PAGE, count % 2 == 0) {
            Ok(_) => count += 1,
            Err(refusal) => break refusal,
        }
    };
    equal("refusal", refusal, Transport::LimitReached.into())?;
    check((100..2_049).contains(&count), "another number of mappings than the account pays for")?;
    exception("seal", object.seal(), Exception::Failed)?;
    drop(child);
    usage(context)?;
    done("seal", object.seal())
}
