//! Mappings that are revoked: they read as zeros, and their user lives on.
//!
//! Called by `main`.
//!
//! Invariant: what a test maps it unmaps, and the account is then what it was.

use capos_rt::abi::error::Transport;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, hostile};

use crate::child::{self, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};

const PAGE: u64 = 4096;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "revoked mapping",
        &[
            ("it reads as zeros, and the object has its bytes", zeros),
            ("one that can be written is its user's own", writable),
            ("the handle was released", handle_released),
            ("one made through the capability itself stays", own_mapping),
            ("many pages, and those that were never touched", many_pages),
            ("a revoked writable mapping does not hold up a seal", seal),
            ("one that can be written is paid for from the start, and given back", account),
            ("revoked and unmapped in one go", unmapped_at_once),
            ("another process lives on", other_process),
            ("a process at its limit lives on, and writes all of it", at_the_limit),
            ("a part of the boot image", boot_part),
        ],
    );
}

type Made = (Cap<MemoryObject>, Cap<MemoryObject>);

/// An object of `pages` pages with 77 in each, and a capability derived from it.
fn object(context: &Context, pages: u64) -> Result<Made, alloc::string::String> {
    let object = done("create", context.memory.create_object(pages * PAGE))?;
    for page in 0..pages {
        done("write", object.write(page * PAGE + 5, &[77]))?;
    }
    let below = done("derive", object.derive(MemoryObject::ALL_METHODS))?;
    Ok((object, below))
}

fn zeros(context: &Context) -> Outcome {
    let (object, below) = object(context, 2)?;
    let address = done("map", context.memory.map(&below, 0, 2 * PAGE, false))?;
    equal("before", hostile::load(address + 5), 77)?;
    done("revoke", object.revoke())?;
    equal("touched", hostile::load(address + 5), 0)?;
    equal("untouched", hostile::load(address + PAGE + 5), 0)?;
    refused("map", context.memory.map(&below, 0, PAGE, false), Transport::Revoked)?;
    let mut byte = [0];
    done("read", object.read(5, 1, &mut byte))?;
    equal("object", byte[0], 77)?;
    done("unmap", context.memory.unmap(address, 2 * PAGE))
}

fn writable(context: &Context) -> Outcome {
    let (object, below) = object(context, 2)?;
    let address = done("map", context.memory.map(&below, 0, 2 * PAGE, true))?;
    hostile::store_byte(address + 6, 6);
    done("revoke", object.revoke())?;
    equal("after", (hostile::load(address + 5), hostile::load(address + 6)), (0, 0))?;
    for page in 0..2 {
        hostile::store_byte(address + page * PAGE + 5, 8);
        equal("own", hostile::load(address + page * PAGE + 5), 8)?;
    }
    let mut bytes = [0; 2];
    done("read", object.read(5, 2, &mut bytes))?;
    equal("object", bytes, [77, 6])?;
    done("unmap", context.memory.unmap(address, 2 * PAGE))
}

fn handle_released(context: &Context) -> Outcome {
    let (object, below) = object(context, 1)?;
    let address = done("map", context.memory.map(&below, 0, PAGE, false))?;
    drop(below);
    equal("before", hostile::load(address + 5), 77)?;
    done("revoke", object.revoke())?;
    equal("after", hostile::load(address + 5), 0)?;
    done("unmap", context.memory.unmap(address, PAGE))
}

fn own_mapping(context: &Context) -> Outcome {
    let (object, below) = object(context, 1)?;
    let own = done("map", context.memory.map(&object, 0, PAGE, true))?;
    let lost = done("map", context.memory.map(&below, 0, PAGE, true))?;
    done("revoke", object.revoke())?;
    equal("bytes", (hostile::load(own + 5), hostile::load(lost + 5)), (77, 0))?;
    done("unmap", context.memory.unmap(lost, PAGE))?;
    done("unmap", context.memory.unmap(own, PAGE))
}

fn many_pages(context: &Context) -> Outcome {
    const PAGES: u64 = 300;
    let (object, below) = object(context, PAGES)?;
    let address = done("map", context.memory.map(&below, 0, PAGES * PAGE, false))?;
    let touched = (0..PAGES).step_by(3).all(|page| hostile::load(address + page * PAGE + 5) == 77);
    check(touched, "the mapping lacks bytes")?;
    done("revoke", object.revoke())?;
    check((0..PAGES).all(|page| hostile::load(address + page * PAGE + 5) == 0), "old bytes")?;
    done("unmap", context.memory.unmap(address, PAGES * PAGE))
}

fn seal(context: &Context) -> Outcome {
    let (object, below) = object(context, 1)?;
    let address = done("map", context.memory.map(&below, 0, PAGE, true))?;
    hostile::store_byte(address, 1);
    done("revoke", object.revoke())?;
    done("seal", object.seal())?;
    hostile::store_byte(address, 2);
    done("unmap", context.memory.unmap(address, PAGE))
}

fn account(context: &Context) -> Outcome {
    let usage = || done("usage", context.memory.usage()).map(|usage| usage.committed);
    let (object, below) = object(context, 8)?;
    usage()?;
    let before = usage()?;
    let reader = done("map", context.memory.map(&below, 0, 8 * PAGE, false))?;
    check(usage()? - before < 8 * PAGE, "one that is read only is paid for")?;
    let read_only = usage()?;
    let address = done("map", context.memory.map(&below, 0, 8 * PAGE, true))?;
    check(usage()? - read_only >= 8 * PAGE, "one that can be written is not paid for")?;
    done("revoke", object.revoke())?;
    let revoked = usage()?;
    check(revoked - before >= 8 * PAGE, "the charge has gone with the object")?;
    (0..8).for_each(|page| hostile::store_byte(address + page * PAGE, 1));
    check(
        (0..8).all(|page| hostile::load(reader + page * PAGE) == 0),
        "the readable one does not read as zeros",
    )?;
    equal("written", usage()?, revoked)?;
    done("unmap", context.memory.unmap(reader, 8 * PAGE))?;
    done("unmap", context.memory.unmap(address, 8 * PAGE))?;
    equal("after", usage()?, before)
}

/// Both are taken by the same `enter`; what was the object's is not given back as if it had been paid for.
fn unmapped_at_once(context: &Context) -> Outcome {
    let usage = || done("usage", context.memory.usage()).map(|usage| usage.committed);
    const PAGES: u64 = 300;
    let (object, below) = object(context, PAGES)?;
    usage()?;
    let before = usage()?;
    let address = done("map", context.memory.map(&below, 0, PAGES * PAGE, true))?;
    (0..PAGES).for_each(|page| hostile::store_byte(address + page * PAGE, 1));
    let revocation = done("begin", object.begin_revoke())?;
    let unmapping = done("begin", context.memory.begin_unmap(address, PAGES * PAGE))?;
    done("revoke", revocation.wait())?;
    done("unmap", unmapping.wait())?;
    equal("after", usage()?, before)
}

fn other_process(context: &Context) -> Outcome {
    let (object, below) = object(context, 1)?;
    done("write", object.write(0, &[7, 0]))?;
    let child = child::create(context, "share until revoked")?;
    child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
    child::grant(&child, "object", &below, MemoryObject::ALL_METHODS)?;
    done("start", child.process.start())?;
    let mut bytes = [0; 2];
    while bytes[1] == 0 {
        done("read", object.read(0, 2, &mut bytes))?;
        let now = done("now", context.timer.now())?;
        done("sleep", context.timer.sleep(now + 100_000))?;
    }
    done("revoke", object.revoke())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}

fn at_the_limit(context: &Context) -> Outcome {
    const PAGES: u64 = 16;
    let (object, below) = object(context, PAGES)?;
    done("write", object.write(0, &[7, 0]))?;
    let child = child::create(context, "share at the limit")?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(&child, "object", &below, MemoryObject::ALL_METHODS)?;
    done("start", child.process.start())?;
    let mut byte = [0];
    while byte[0] == 0 {
        done("read", object.read(1, 1, &mut byte))?;
        let now = done("now", context.timer.now())?;
        done("sleep", context.timer.sleep(now + 100_000))?;
    }
    done("revoke", object.revoke())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}

fn boot_part(context: &Context) -> Outcome {
    let trunk = done("derive", context.boot.derive(u64::from(u8::MAX >> 5)))?;
    let part = done("open", trunk.open(0))?;
    let mut expected = [0; 64];
    done("read", part.read(0, 64, &mut expected))?;
    let at = expected.iter().position(|byte| *byte != 0).ok_or("the part begins with zeros")?;
    let address = done("map", context.memory.map(&part, 0, PAGE, false))?;
    equal("before", hostile::load(address + at as u64), expected[at])?;
    done("revoke", trunk.revoke())?;
    equal("after", hostile::load(address + at as u64), 0)?;
    done("unmap", context.memory.unmap(address, PAGE))
}
