//! `sharing`: takes every way that memory comes and goes, once.
//!
//! Booted by `sharing.cue` by the allocation sweep, which refuses each allocation of the kernel in a boot of its own. Objects
//! are made, written, mapped, sealed, executed and revoked, and a process is started that writes to its image's data.
//!
//! Invariant: what is refused is told on standard error, and ends the program with 1; nothing else does.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Display;

use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::console::Console;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile};

capos_rt::entry!(main);

const PAGE: u64 = 4096;
/// Pages of an object whose frames are listed in more than one piece.
const PAGES: u64 = 600;
/// Bytes that the process may have.
const CHILD_BYTES: u64 = 1 << 20;
/// `mov eax, 42` and `ret`.
const CODE: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
/// The way of `crash` in which it writes to its image's data.
const WAY: &[u8] = b"write data";
const READ: u64 = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;

fn main(capabilities: &CapSet) -> ExitStatus {
    let Err(told) =
        objects(capabilities).and_then(|()| code(capabilities)).and_then(|()| image(capabilities))
    else {
        return ExitStatus::exited(0);
    };
    if let Ok(console) = capabilities.get::<Console>("stderr") {
        let _ = console.write(format!("{told}\n").as_bytes());
    }
    ExitStatus::exited(1)
}

fn granted<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
    capabilities.get(name).map_err(|error| format!("{name}: {error}"))
}

fn done<T, E: Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn expect(is_so: bool, told: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(told.to_string()) }
}

/// An object, mapped twice, written, and taken back.
fn objects(capabilities: &CapSet) -> Result<(), String> {
    let memory: Cap<VirtualMemory> = granted(capabilities, "memory")?;
    let object = done("create", memory.create_object(PAGES * PAGE))?;
    let below = done("derive", object.derive(MemoryObject::ALL_METHODS))?;
    let mine = done("map", memory.map(&object, 0, PAGES * PAGE, false))?;
    let lent = done("map", memory.map(&below, 0, PAGES * PAGE, true))?;
    for page in [0, 1, PAGES - 1] {
        done("write", object.write(page * PAGE, &[1]))?;
        hostile::store_byte(lent + page * PAGE + 1, 2);
        let seen = (hostile::load(mine + page * PAGE), hostile::load(mine + page * PAGE + 1));
        expect(seen == (1, 2), "two mappings differ")?;
    }
    done("revoke", object.revoke())?;
    expect(hostile::load(lent) == 0, "a revoked mapping has bytes")?;
    hostile::store_byte(lent, 3);
    expect(hostile::load(mine) == 1, "a revoked mapping writes")?;
    done("unmap", memory.unmap(lent, PAGES * PAGE))?;
    done("unmap", memory.unmap(mine, PAGES * PAGE))
}

/// Pages that run, until the right to it is taken back.
fn code(capabilities: &CapSet) -> Result<(), String> {
    let memory: Cap<VirtualMemory> = granted(capabilities, "memory")?;
    let trunk: Cap<CodeMemory> = granted(capabilities, "code")?;
    let right = done("derive", trunk.derive(CodeMemory::ALL_METHODS))?;
    let object = done("create", memory.create_object(PAGE))?;
    done("write", object.write(0, &CODE))?;
    done("seal", object.seal())?;
    let address = done("map", right.map(&memory, &object, 0, PAGE))?;
    expect(hostile::call(address) == 42, "the code says something else")?;
    done("revoke", trunk.revoke())?;
    expect(hostile::load(address) == 0, "revoked code has bytes")?;
    done("unmap", memory.unmap(address, PAGE))
}

/// A process that makes some pages of its image its own.
fn image(capabilities: &CapSet) -> Result<(), String> {
    let memory: Cap<VirtualMemory> = granted(capabilities, "memory")?;
    let spawner: Cap<ProcessSpawner> = granted(capabilities, "spawner")?;
    let program: Cap<MemoryObject> = granted(capabilities, "crash")?;
    let argument = done("create", memory.create_object(WAY.len() as u64))?;
    done("write", argument.write(0, WAY))?;
    done("seal", argument.seal())?;
    let child = done("create", spawner.create("crash", &program, CHILD_BYTES, 0, 0, 0, 0))?;
    done("grant", child.process.grant("argument", &argument, READ))?;
    done("start", child.process.start())?;
    let end = done("wait", child.process.wait())?;
    let is_well = end.kind == OutcomeKind::Exited as u16 && end.code == 0;
    expect(is_well, &format!("the process ended with kind {} and code {}", end.kind, end.code))
}
