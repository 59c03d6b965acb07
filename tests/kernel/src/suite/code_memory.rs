//! CodeMemory: executable pages of a running process, and that nobody writes them.
//!
//! Called by `main`.
//!
//! Invariant: what a test maps it unmaps, and the account is then what it was.

use alloc::string::String;

use capos_kernel_suite::by_hand::info_into;
use capos_rt::abi::error::{Exception, Transport};
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, hostile};

use crate::child::{self, Child, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, done, equal, exception, refused};

const PAGE: u64 = 4096;
/// `mov eax, 42` and `ret`.
const CODE: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
/// What a page fault's error code says: a page was there, a write, of ring 3, an instruction fetch.
const WRITE_REFUSED: u32 = 1 | 2 | 4;
const FETCH_REFUSED: u32 = 1 | 4 | 16;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "code memory",
        &[
            ("sealed pages run", runs),
            ("pages that are not sealed do not", not_sealed),
            ("ranges outside the object are refused", ranges),
            ("handles and methods are checked", methods),
            ("code is not written through its mapping", not_written),
            ("code is not written through another mapping", not_mapped_writable),
            ("what is mapped without it does not run", data_does_not_run),
            ("a writable mapping in another process holds the seal up until it ends", writer_elsewhere),
            ("the right to execute is taken back", right_revoked),
            ("the object is taken back", object_revoked),
            ("both are taken back", both_revoked),
            ("it is paid for, and given back", account),
            ("in another process", other_process),
        ],
    );
}

/// A sealed object with a function.
fn code(context: &Context) -> Result<Cap<MemoryObject>, String> {
    child::sealed(context, &CODE)
}

fn map(context: &Context, right: &Cap<CodeMemory>, object: &Cap<MemoryObject>) -> Result<u64, String> {
    done("map", right.map(&context.memory, object, 0, PAGE))
}

fn unmap(context: &Context, address: u64) -> Outcome {
    done("unmap", context.memory.unmap(address, PAGE))
}

fn runs(context: &Context) -> Outcome {
    let object = code(context)?;
    let (one, other) = (map(context, &context.code, &object)?, map(context, &context.code, &object)?);
    let readable = done("map", context.memory.map(&object, 0, PAGE, false))?;
    drop(object);
    equal("results", (hostile::call(one), hostile::call(other)), (42, 42))?;
    equal("bytes", (hostile::load(one), hostile::load(readable + 1)), (CODE[0], 42))?;
    [one, other, readable].into_iter().try_for_each(|address| unmap(context, address))
}

fn not_sealed(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, &CODE))?;
    exception("map", context.code.map(&context.memory, &object, 0, PAGE), Exception::Failed)?;
    done("seal", object.seal())?;
    let address = map(context, &context.code, &object)?;
    equal("result", hostile::call(address), 42)?;
    unmap(context, address)
}

fn ranges(context: &Context) -> Outcome {
    let object = code(context)?;
    let last = u64::MAX & !(PAGE - 1);
    for (offset, length) in
        [(0, 0), (0, 2 * PAGE), (PAGE, PAGE), (1, PAGE), (0, 6), (last, PAGE), (0, last), (last, last)]
    {
        let mapped = context.code.map(&context.memory, &object, offset, length);
        exception("map", mapped, Exception::InvalidArgument)?;
    }
    Ok(())
}

fn methods(context: &Context) -> Outcome {
    let object = code(context)?;
    let right = done("derive", context.code.derive(0))?;
    refused("without map", right.map(&context.memory, &object, 0, PAGE), Transport::MethodDenied)?;
    let blind = done("derive", object.derive(1 << MemoryObject::INFO))?;
    refused("without read", context.code.map(&context.memory, &blind, 0, PAGE), Transport::MethodDenied)?;
    let memory = done("derive", context.memory.derive(1 << VirtualMemory::USAGE))?;
    refused("an address space", context.code.map(&memory, &object, 0, PAGE), Transport::MethodDenied)?;
    let reader = done("derive", object.derive(1 << MemoryObject::READ))?;
    let address = map(context, &context.code, &reader)?;
    unmap(context, address)
}

/// A child with an address space, a right to execute and a function.
fn child_with_code(context: &Context, argument: &str) -> Result<Child, String> {
    let child = child::create(context, argument)?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(&child, "code", &context.code, CodeMemory::ALL_METHODS)?;
    child::grant(&child, "object", &code(context)?, MemoryObject::ALL_METHODS)?;
    done("start", child.process.start())?;
    Ok(child)
}

fn not_written(context: &Context) -> Outcome {
    let child = child_with_code(context, "write mapped code")?;
    let reply = child::wait(&child)?;
    equal("end", end(&reply).0, "fault")?;
    equal("fault", (reply.fault.vector, reply.fault.error_code), (14, WRITE_REFUSED))?;
    let object = code(context)?;
    let address = map(context, &context.code, &object)?;
    // The kernel does not write there on anybody's behalf either.
    equal("into code", info_into(&context.crash, address), Transport::BadAddress.result())?;
    equal("result", hostile::call(address), 42)?;
    unmap(context, address)
}

fn not_mapped_writable(context: &Context) -> Outcome {
    let object = code(context)?;
    exception("before", context.memory.map(&object, 0, PAGE, true), Exception::Failed)?;
    let address = map(context, &context.code, &object)?;
    exception("after", context.memory.map(&object, 0, PAGE, true), Exception::Failed)?;
    exception("write", object.write(0, &[0xcc]), Exception::Failed)?;
    equal("result", hostile::call(address), 42)?;
    unmap(context, address)
}

fn data_does_not_run(context: &Context) -> Outcome {
    let child = child_with_code(context, "jump to mapped data")?;
    let reply = child::wait(&child)?;
    equal("end", end(&reply).0, "fault")?;
    equal("fault", (reply.fault.vector, reply.fault.error_code), (14, FETCH_REFUSED))
}

fn writer_elsewhere(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(PAGE))?;
    done("write", object.write(0, &CODE))?;
    let child = child::sharing(context, &object)?;
    exception("seal", object.seal(), Exception::Failed)?;
    exception("map", context.code.map(&context.memory, &object, 0, PAGE), Exception::Failed)?;
    child::kill(&child)?;
    done("write", object.write(0, &CODE))?;
    done("seal", object.seal())?;
    let address = map(context, &context.code, &object)?;
    equal("result", hostile::call(address), 42)?;
    unmap(context, address)
}

fn right_revoked(context: &Context) -> Outcome {
    let trunk = done("derive", context.code.derive(CodeMemory::ALL_METHODS))?;
    let right = done("derive", trunk.derive(CodeMemory::ALL_METHODS))?;
    let object = code(context)?;
    let (lost, kept) = (map(context, &right, &object)?, map(context, &trunk, &object)?);
    drop(right);
    done("revoke", trunk.revoke())?;
    equal("bytes", (hostile::load(lost), hostile::load(kept)), (0, CODE[0]))?;
    equal("result", hostile::call(kept), 42)?;
    unmap(context, lost)?;
    unmap(context, kept)
}

fn object_revoked(context: &Context) -> Outcome {
    let object = code(context)?;
    let below = done("derive", object.derive(1 << MemoryObject::READ))?;
    let address = map(context, &context.code, &below)?;
    equal("result", hostile::call(address), 42)?;
    done("revoke", object.revoke())?;
    equal("byte", hostile::load(address), 0)?;
    unmap(context, address)
}

fn both_revoked(context: &Context) -> Outcome {
    for object_first in [false, true] {
        let trunk = done("derive", context.code.derive(CodeMemory::ALL_METHODS))?;
        let right = done("derive", trunk.derive(CodeMemory::ALL_METHODS))?;
        let object = code(context)?;
        let below = done("derive", object.derive(1 << MemoryObject::READ))?;
        let address = map(context, &right, &below)?;
        if object_first {
            done("revoke", object.revoke())?;
        }
        done("revoke", trunk.revoke())?;
        done("revoke", object.revoke())?;
        equal("byte", hostile::load(address), 0)?;
        unmap(context, address)?;
    }
    Ok(())
}

fn account(context: &Context) -> Outcome {
    let usage = || done("usage", context.memory.usage()).map(|usage| usage.committed);
    let object = code(context)?;
    usage()?;
    let before = usage()?;
    for _ in 0..3 {
        let address = map(context, &context.code, &object)?;
        equal("paid", usage()? > before, true)?;
        equal("result", hostile::call(address), 42)?;
        unmap(context, address)?;
        equal("given back", usage()?, before)?;
    }
    Ok(())
}

fn other_process(context: &Context) -> Outcome {
    let child = child_with_code(context, "run mapped code")?;
    equal("end", end(&child::wait(&child)?), ("exited", 42))?;
    // One that has ended has no address space.
    let mapped = context.code.map(&child.memory, &code(context)?, 0, PAGE);
    refused("map", mapped, Transport::Disconnected)
}
