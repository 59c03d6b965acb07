//! MemoryObject: contents, bounds, sealing.
//!
//! Called by `main`.
//!
//! Invariant: what a test creates it gives back.

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::hostile;
use capos_rt::schema::memory_object::MemoryObject;

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "memory object",
        &[
            ("new ones are zeros of their size", zeros),
            ("what is written is read", contents),
            ("ranges outside are refused", outside),
            ("sealed ones are not written", sealed),
            ("sealing waits for no writable mapping", seal_and_mappings),
            ("methods are checked", methods),
            ("reused frames show no old bytes", no_old_bytes),
            ("an object of no bytes", no_bytes),
        ],
    );
}

fn zeros(context: &Context) -> Outcome {
    for bytes in [1, 8, 4095, 4096, 4097, 100_000] {
        let object = done("create", context.memory.create_object(bytes))?;
        let info = done("info", object.info())?;
        equal("size", (info.bytes, info.is_sealed), (bytes, false))?;
        let mut last = [7];
        equal("read", done("read", object.read(bytes - 1, 1, &mut last))?, 1)?;
        equal("last byte", last[0], 0)?;
    }
    Ok(())
}

fn contents(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(20_000))?;
    let pattern: alloc::vec::Vec<u8> = (0..12_345u32).map(|index| (index * 7) as u8).collect();
    done("write", object.write(4_000, &pattern))?;
    let mut found = alloc::vec![0; 12_345];
    equal("read", done("read", object.read(4_000, 12_345, &mut found))?, 12_345)?;
    check(found == pattern, "other bytes came back")?;
    let mut before = [9; 1];
    done("read", object.read(3_999, 1, &mut before))?;
    equal("the byte before", before[0], 0)
}

fn outside(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(5_000))?;
    let mut byte = [0; 16];
    for offset in [5_000, 4_985, 1 << 40, u64::MAX - 8, u64::MAX] {
        exception("read", object.read(offset, 16, &mut byte), Exception::InvalidArgument)?;
        exception("write", object.write(offset, &byte), Exception::InvalidArgument)?;
    }
    done("read", object.read(4_984, 16, &mut byte)).map(|_| ())
}

fn sealed(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(100))?;
    done("write", object.write(0, b"before"))?;
    done("seal", object.seal())?;
    check(done("info", object.info())?.is_sealed, "it is not sealed")?;
    exception("write", object.write(0, b"after!"), Exception::Failed)?;
    let mut found = [0; 6];
    done("read", object.read(0, 6, &mut found))?;
    equal("contents", &found, b"before")?;
    exception("map", context.memory.map(&object, 0, 4096, true), Exception::Failed)
}

fn seal_and_mappings(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(4096))?;
    let writable = done("map", context.memory.map(&object, 0, 4096, true))?;
    exception("seal", object.seal(), Exception::Failed)?;
    hostile::store(writable);
    done("unmap", context.memory.unmap(writable, 4096))?;
    let readable = done("map", context.memory.map(&object, 0, 4096, false))?;
    done("seal", object.seal())?;
    check(done("info", object.info())?.is_sealed, "it is not sealed")?;
    equal("byte", hostile::load(readable), 0)?;
    done("unmap", context.memory.unmap(readable, 4096))
}

fn methods(context: &Context) -> Outcome {
    let object = done("create", context.memory.create_object(4096))?;
    let reader = done("derive", object.derive(1 << MemoryObject::INFO | 1 << MemoryObject::READ))?;
    refused("write", reader.write(0, b"x"), Transport::MethodDenied)?;
    refused("seal", reader.seal(), Transport::MethodDenied)?;
    refused("map", context.memory.map(&reader, 0, 4096, true), Transport::MethodDenied)?;
    let mapped = done("map", context.memory.map(&reader, 0, 4096, false))?;
    done("unmap", context.memory.unmap(mapped, 4096))?;
    let blind = done("derive", object.derive(1 << MemoryObject::INFO))?;
    refused("map", context.memory.map(&blind, 0, 4096, false), Transport::MethodDenied)
}

fn no_old_bytes(context: &Context) -> Outcome {
    let secret = [0x5a; 4096];
    for _ in 0..8 {
        let object = done("create", context.memory.create_object(16 * 4096))?;
        let mut found = [1; 4096];
        for page in 0..16 {
            done("read", object.read(page * 4096, 4096, &mut found))?;
            check(found.iter().all(|byte| *byte == 0), "old bytes")?;
            done("write", object.write(page * 4096, &secret))?;
        }
    }
    Ok(())
}

fn no_bytes(context: &Context) -> Outcome {
    match context.memory.create_object(0) {
        Ok(object) => equal("size", done("info", object.info())?.bytes, 0),
        refusal => exception("create", refusal, Exception::InvalidArgument),
    }
}
