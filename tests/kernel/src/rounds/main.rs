//! `rounds`: runs the fuzzer twice as its child, the first time briefly, so that the kernel's records of both ends can be
//! compared.
//!
//! Booted by the manifest `fuzz.cue` beside the cases. Hands on everything that the fuzzer uses; the fuzzer's account is its
//! own.
//!
//! Invariant: between the two rounds this program changes nothing that costs memory, so the machine's free frames in the
//! records of both ends are equal unless the kernel keeps something.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::schema::console::Console;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::notification::Notification;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{Progress, Room};
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// Bytes that the fuzzer may use.
const LIMIT: u64 = 8 << 20;
/// Bytes that the process of the dead object may use.
const CRASH_LIMIT: u64 = 2 << 20;
/// The way of `crash` in which it mints.
const MINT: &[u8] = b"mint and exit";

fn main(capabilities: &CapSet) -> ExitStatus {
    let Ok(console) = capabilities.get::<Console>("stdout") else { return ExitStatus::exited(2) };
    let rounds = || -> Result<(), String> {
        let dead = dead_object(capabilities)?;
        round(capabilities, &console, &dead, true)?;
        round(capabilities, &console, &dead, false)
    };
    match rounds() {
        Ok(()) => ExitStatus::exited(0),
        Err(told) => {
            let _ = console.write(format!("FAILED  {told}\n").as_bytes());
            ExitStatus::exited(1)
        }
    }
}

/// An object whose process has ended, at an endpoint that is open.
struct Dead {
    object: Cap<Probe>,
    _endpoint: Cap<Endpoint>,
}

fn dead_object(capabilities: &CapSet) -> Result<Dead, String> {
    let spawner: Cap<ProcessSpawner> = get(capabilities, "spawner")?;
    let memory: Cap<VirtualMemory> = get(capabilities, "memory")?;
    let image: Cap<MemoryObject> = get(capabilities, "crash")?;
    let told = |error: CallError| format!("a dead object: {error}");
    let argument = memory.create_object(MINT.len() as u64).map_err(told)?;
    argument.write(0, MINT).and_then(|_| argument.seal()).map_err(told)?;
    let serving = spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS).map_err(told)?;
    let root: Cap<Probe> = serving.root.typed();
    let made = spawner.create("crash", &image, CRASH_LIMIT, 0, 0, 0, 0).map_err(told)?;
    let reading = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;
    made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS).map_err(told)?;
    made.process.grant("argument", &argument, reading).map_err(told)?;
    made.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS).map_err(told)?;
    made.process.start().map_err(told)?;
    let room = Room { bytes: 64, capabilities: 1 };
    let reply = root.begin_untyped(0, b"", &[], room).and_then(Progress::wait).map_err(told)?;
    let object: Cap<Probe> = reply.take(0).ok_or("the object did not come")?;
    let call = object.begin_untyped(0, b"", &[], room).and_then(Progress::wait);
    let end = made.process.wait().map_err(told)?;
    let is_dead = call.is_err_and(|error| error == CallError::Transport(Transport::Disconnected));
    if is_dead && end.kind == OutcomeKind::Exited as u16 && end.code == 0 {
        return Ok(Dead { object, _endpoint: serving.receiver });
    }
    Err(format!("the object's process ended with kind {} and code {}", end.kind, end.code))
}

fn round(capabilities: &CapSet, console: &Cap<Console>, dead: &Dead, is_brief: bool) -> Result<(), String> {
    let spawner: Cap<ProcessSpawner> = get(capabilities, "spawner")?;
    let image: Cap<MemoryObject> = get(capabilities, "fuzz")?;
    let timer: Cap<Timer> = get(capabilities, "timer")?;
    let random: Cap<EntropySource> = get(capabilities, "random")?;
    let seed: Cap<MemoryObject> = get(capabilities, "seed")?;
    let told = |error: CallError| format!("{error}");
    let made = spawner.create("fuzz", &image, LIMIT, 0, 0, 0, 0).map_err(told)?;
    let reading = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;
    made.process.grant("stdout", console, 1 << Console::WRITE).map_err(told)?;
    made.process.grant("timer", &timer, Timer::ALL_METHODS).map_err(told)?;
    made.process.grant("random", &random, EntropySource::ALL_METHODS).map_err(told)?;
    made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS).map_err(told)?;
    made.process.grant("seed", &seed, reading).map_err(told)?;
    let serving = spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS).map_err(told)?;
    made.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS).map_err(told)?;
    made.process.grant("service", &serving.root, Probe::ALL_METHODS).map_err(told)?;
    let closed = spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS).map_err(told)?;
    made.process.grant("orphan", &closed.root, Probe::ALL_METHODS).map_err(told)?;
    drop(closed);
    made.process.grant("dead", &dead.object, 1).map_err(told)?;
    let notification = spawner.create_notification().map_err(told)?;
    made.process.grant("notification", &notification, Notification::ALL_METHODS).map_err(told)?;
    if is_brief {
        made.process.grant("brief", &timer, 0).map_err(told)?;
    }
    made.process.start().map_err(told)?;
    let end = made.process.wait().map_err(told)?;
    if end.kind == OutcomeKind::Exited as u16 && end.code == 0 {
        return Ok(());
    }
    Err(format!("the fuzzer ended with kind {} and code {}: {}", end.kind, end.code, end.report))
}

fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
    capabilities.get(name).map_err(|error| format!("{name}: {error}"))
}
