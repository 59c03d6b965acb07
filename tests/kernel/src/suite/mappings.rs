//! VirtualMemory: reservations, commits, mappings of objects, write or execute.
//!
//! Called by `main`.
//!
//! Invariant: what a test maps it unmaps.

use alloc::vec::Vec;

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::hostile;
use capos_rt::schema::virtual_memory::VirtualMemory;

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

const PAGE: u64 = 4096;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "virtual memory",
        &[
            ("a reservation costs nothing", reservation),
            ("committed pages are zeros and keep what is written", commit),
            ("decommitted pages come back as zeros", decommit),
            ("committing twice is free", commit_twice),
            ("odd addresses and lengths are refused", odd),
            ("ranges outside one reservation are refused", outside),
            ("ranges that wrap are refused", wrapping),
            ("a reservation is given up as it was made", unmap),
            ("the program's own pages are not for sale", own_pages),
            ("too much is refused and nothing is committed", too_much),
            ("a page at a time up to the limit", page_by_page),
            ("an object is shared", shared),
            ("a mapping outlives its handle", outlives),
            ("ranges outside the object are refused", outside_object),
            ("no handle, no mapping", no_handle),
            ("methods are checked", methods),
            ("reserving for ever ends in a refusal", reserve_for_ever),
        ],
    );
}

fn committed(context: &Context) -> Result<u64, alloc::string::String> {
    Ok(done("usage", context.memory.usage())?.committed)
}

fn reservation(context: &Context) -> Outcome {
    let before = committed(context)?;
    let address = done("reserve", context.memory.reserve(1 << 36))?;
    check(address.is_multiple_of(PAGE) && address != 0, "an odd address")?;
    check(committed(context)? - before <= 4 * PAGE, "it cost more than a few pages")?;
    done("unmap", context.memory.unmap(address, 1 << 36))
}

fn commit(context: &Context) -> Outcome {
    let address = done("reserve", context.memory.reserve(64 * PAGE))?;
    done("commit", context.memory.commit(address + 8 * PAGE, 16 * PAGE))?;
    for page in 8..24 {
        equal("byte", hostile::load(address + page * PAGE + 17), 0)?;
        hostile::store(address + page * PAGE);
    }
    done("unmap", context.memory.unmap(address, 64 * PAGE))
}

fn decommit(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, b"secret"))?;
    let address = done("reserve", context.memory.reserve(4 * PAGE))?;
    done("commit", context.memory.commit(address, 4 * PAGE))?;
    let before = committed(context)?;
    (0..4).for_each(|page| hostile::store(address + page * PAGE));
    done("decommit", context.memory.decommit(address, 2 * PAGE))?;
    equal("given back", before - committed(context)?, 2 * PAGE)?;
    done("commit", context.memory.commit(address, 2 * PAGE))?;
    equal("byte", hostile::load(address), 0)?;
    done("unmap", context.memory.unmap(address, 4 * PAGE))
}

fn commit_twice(context: &Context) -> Outcome {
    let address = done("reserve", context.memory.reserve(8 * PAGE))?;
    done("commit", context.memory.commit(address, 4 * PAGE))?;
    let before = committed(context)?;
    done("commit", context.memory.commit(address, 4 * PAGE))?;
    equal("usage", committed(context)?, before)?;
    done("commit", context.memory.commit(address + 2 * PAGE, 4 * PAGE))?;
    equal("usage", committed(context)?, before + 2 * PAGE)?;
    done("unmap", context.memory.unmap(address, 8 * PAGE))
}

fn odd(context: &Context) -> Outcome {
    let address = done("reserve", context.memory.reserve(4 * PAGE))?;
    exception("reserve", context.memory.reserve(100), Exception::InvalidArgument)?;
    exception("reserve", context.memory.reserve(0), Exception::InvalidArgument)?;
    for (start, length) in [(address + 1, PAGE), (address, PAGE + 1), (address, 0), (address + 8, 8)] {
        exception("commit", context.memory.commit(start, length), Exception::InvalidArgument)?;
        exception("decommit", context.memory.decommit(start, length), Exception::InvalidArgument)?;
        exception("unmap", context.memory.unmap(start, length), Exception::InvalidArgument)?;
    }
    done("unmap", context.memory.unmap(address, 4 * PAGE))
}

fn outside(context: &Context) -> Outcome {
    let address = done("reserve", context.memory.reserve(4 * PAGE))?;
    for (start, length) in
        [(address, 5 * PAGE), (address - PAGE, PAGE), (address + 4 * PAGE, PAGE), (0, PAGE), (PAGE, PAGE)]
    {
        exception("commit", context.memory.commit(start, length), Exception::InvalidArgument)?;
        exception("decommit", context.memory.decommit(start, length), Exception::InvalidArgument)?;
    }
    done("unmap", context.memory.unmap(address, 4 * PAGE))?;
    exception("commit", context.memory.commit(address, PAGE), Exception::InvalidArgument)
}

fn wrapping(context: &Context) -> Outcome {
    const KERNEL: u64 = 0xffff_8000_0000_0000;
    let last = u64::MAX & !(PAGE - 1);
    for (start, length) in [(last, PAGE), (last, last), (PAGE, last), (KERNEL, PAGE), (1 << 47, PAGE)] {
        exception("commit", context.memory.commit(start, length), Exception::InvalidArgument)?;
        exception("unmap", context.memory.unmap(start, length), Exception::InvalidArgument)?;
    }
    check(context.memory.reserve(last).is_err(), "the whole address space was reserved")?;
    check(context.memory.reserve(1 << 47).is_err(), "the whole lower half was reserved")
}

fn unmap(context: &Context) -> Outcome {
    let address = done("reserve", context.memory.reserve(4 * PAGE))?;
    exception("a part", context.memory.unmap(address, 2 * PAGE), Exception::InvalidArgument)?;
    exception("the rest", context.memory.unmap(address + 2 * PAGE, 2 * PAGE), Exception::InvalidArgument)?;
    done("all", context.memory.unmap(address, 4 * PAGE))?;
    exception("again", context.memory.unmap(address, 4 * PAGE), Exception::InvalidArgument)
}

/// Code, stack, rings and CapSet were not made through VirtualMemory.
fn own_pages(context: &Context) -> Outcome {
    let local = 0u8;
    let capset =
        capos_rt::CapSet::of_this_process().entry("timer").map_or(0, |entry| entry.name.as_ptr() as u64);
    for address in [own_pages as *const () as u64, &raw const local as u64, hostile::region_address(), capset]
    {
        let page = address & !(PAGE - 1);
        exception("unmap", context.memory.unmap(page, PAGE), Exception::InvalidArgument)?;
        exception("decommit", context.memory.decommit(page, PAGE), Exception::InvalidArgument)?;
        exception("commit", context.memory.commit(page, PAGE), Exception::InvalidArgument)?;
    }
    Ok(())
}

fn too_much(context: &Context) -> Outcome {
    let usage = done("usage", context.memory.usage())?;
    let length = (usage.limit - usage.committed + PAGE).next_multiple_of(PAGE);
    let address = done("reserve", context.memory.reserve(length))?;
    refused("commit", context.memory.commit(address, length), Transport::LimitReached)?;
    let after = committed(context)?;
    check(after <= usage.committed + 2 * PAGE, "something stayed charged")?;
    refused("object", context.memory.create_object(length), Transport::LimitReached)?;
    done("unmap", context.memory.unmap(address, length))
}

fn page_by_page(context: &Context) -> Outcome {
    // Giving back is an operation, which is charged too: this is what is left for it.
    let spare = done("create", context.memory.create_object(1))?;
    let usage = done("usage", context.memory.usage())?;
    let length = (usage.limit - usage.committed + PAGE).next_multiple_of(PAGE);
    let address = done("reserve", context.memory.reserve(length))?;
    let mut pages = 0;
    let refusal = loop {
        match context.memory.commit(address + pages * PAGE, PAGE) {
            Ok(()) => pages += 1,
            Err(refusal) => break refusal,
        }
        hostile::store(address + (pages - 1) * PAGE);
    };
    equal("refusal", refusal, Transport::LimitReached.into())?;
    // Page tables count too: one page of tables for 512 pages, and a few above.
    let tables = pages / 512 + 8;
    check((pages + tables) * PAGE >= usage.limit - usage.committed, "the limit was not used up")?;
    drop(spare);
    capos_rt::flush();
    done("unmap", context.memory.unmap(address, length))?;
    let kept = committed(context)?.saturating_sub(usage.committed);
    check(kept <= 4 * PAGE, &alloc::format!("{kept} bytes stayed charged"))
}

fn shared(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(2 * PAGE))?;
    done("write", object.write(PAGE + 5, &[77]))?;
    let one = done("map", context.memory.map(&object, 0, 2 * PAGE, true))?;
    let other = done("map", context.memory.map(&object, PAGE, PAGE, false))?;
    equal("one", hostile::load(one + PAGE + 5), 77)?;
    equal("other", hostile::load(other + 5), 77)?;
    hostile::store(one + PAGE + 5);
    equal("other after a store", hostile::load(other + 5), 0)?;
    done("write", object.write(PAGE + 5, &[78]))?;
    equal("one after a write", hostile::load(one + PAGE + 5), 78)?;
    done("unmap", context.memory.unmap(one, 2 * PAGE))?;
    equal("other after an unmap", hostile::load(other + 5), 78)?;
    done("unmap", context.memory.unmap(other, PAGE))
}

fn outlives(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, &[55]))?;
    let address = done("map", context.memory.map(&object, 0, PAGE, false))?;
    drop(object);
    committed(context)?;
    equal("byte", hostile::load(address), 55)?;
    done("unmap", context.memory.unmap(address, PAGE))
}

fn outside_object(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(2 * PAGE))?;
    for (offset, length) in [
        (0, 3 * PAGE),
        (PAGE, 2 * PAGE),
        (2 * PAGE, PAGE),
        (u64::MAX & !0xfff, PAGE),
        (0, 0),
        (1, PAGE),
        (0, 100),
    ] {
        exception("map", context.memory.map(&object, offset, length, false), Exception::InvalidArgument)?;
    }
    Ok(())
}

/// `map` without a capability in the message.
fn no_handle(context: &Context) -> Outcome {
    use capos_rt::Capability;
    use capos_rt::abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, Submission};
    use capos_rt::schema::virtual_memory::VirtualMemoryMapParams;
    for object in [None, Some(0), Some(15), Some(u32::MAX)] {
        let mut message = [0; 64];
        let parameters = VirtualMemoryMapParams { object, offset: 0, length: PAGE, writable: false };
        let length = parameters.encode(&mut message).map_err(|_| "the message does not fit")?;
        hostile::write_area(4096, &message[..length]);
        let submission = Submission {
            handle: context.memory.handle(),
            interface: VirtualMemory::ID,
            method: VirtualMemory::MAP,
            flags: FLAG_PARAMETERS_IN_AREA | FLAG_RESULT_IN_AREA,
            address: 4096,
            length: length as u32,
            result_address: 5120,
            result_capacity: 64,
            ..Submission::new(Opcode::Call, 11)
        };
        let found = crate::rings::submit(&submission.encode()).result;
        let refusals =
            [Transport::BadMessage, Transport::BadHandle, Transport::BadTransfer].map(Transport::result);
        let invalid = Exception::InvalidArgument.result();
        check(refusals.contains(&found) || found == invalid, "it was not refused")?;
    }
    Ok(())
}

fn methods(context: &Context) -> Outcome {
    let only_usage = done("derive", context.memory.derive(1 << VirtualMemory::USAGE))?;
    done("usage", only_usage.usage())?;
    refused("reserve", only_usage.reserve(PAGE), Transport::MethodDenied)?;
    refused("create", only_usage.create_object(PAGE), Transport::MethodDenied)
}

/// In a child, so that the suite keeps its addresses: a child's VirtualMemory works from outside too.
fn reserve_for_ever(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let mut reserved = Vec::new();
    let refusal = loop {
        match child.memory.reserve(PAGE) {
            Ok(address) => reserved.push(address),
            Err(refusal) => break refusal,
        }
        check(reserved.len() < 1_000_000, "a million reservations inside two mebibytes")?;
    };
    let limits = [Transport::LimitReached.into(), Transport::OutOfMemory.into()];
    check(limits.contains(&refusal), "another refusal than that of a limit")?;
    for address in reserved.iter().take(10) {
        done("unmap", child.memory.unmap(*address, PAGE))?;
    }
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))
}
