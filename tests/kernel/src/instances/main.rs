//! `instances`: many WASI instances alive at once.
//!
//! Booted by the check `instances` with the WASI host, a module and its launch parameters as parts. Starts the instances, each
//! with a standard output that this program serves, and answers nobody before all of them wait for an answer: then all have
//! run, and none has ended. Tells what each is charged for, lets them go on, and waits for their ends. Where init starts the
//! instances, it gets the receive side of their standard output instead of a ProcessSpawner, and does the rest.
//!
//! Invariant: an instance has one write in progress at most, so as many writes as instances are one of each.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Exception};
use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::abi::ring::KERNEL_INTERFACE;
use capos_rt::schema::console::{Console, ConsoleWriteParams, ConsoleWriteResults};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{self, Room};
use capos_rt::{Cap, CapSet, Capability};

capos_rt::entry!(main);

/// Instances.
const INSTANCES: usize = 1_000;
/// Bytes that each may use, everything that the kernel keeps for it included.
const LIMIT: u64 = 800 << 10;
/// What each instance writes.
const TEXT: &[u8] = b"Hello from WASI on capOS\n";
/// The method of Console that the instances may call.
const WRITE: u64 = 1 << Console::WRITE;
/// `MemoryObject.info` and `MemoryObject.read`.
const READ: u64 = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;

/// What the program holds.
struct Context {
    spawner: Cap<ProcessSpawner>,
    host: Cap<MemoryObject>,
    module: Cap<MemoryObject>,
    launch: Cap<MemoryObject>,
}

/// An instance that was started.
struct Instance {
    process: Cap<ProcessHandle>,
    memory: Cap<VirtualMemory>,
}

fn main(capabilities: &CapSet) -> ExitStatus {
    let Ok(console) = capabilities.get::<Console>("stdout") else { return ExitStatus::exited(2) };
    let told = match capabilities.get::<Endpoint>("gate") {
        Ok(endpoint) => serve(&endpoint).map_err(|error| format!("{error}")),
        Err(_) => context(capabilities).and_then(|context| run(&context).map_err(|error| format!("{error}"))),
    };
    let told = told.unwrap_or_else(|error| format!("failed: {error}"));
    let is_told = console.write(format!("{told}\n").as_bytes()).is_ok();
    ExitStatus::exited(u32::from(!is_told || told.starts_with("failed")))
}

fn context(capabilities: &CapSet) -> Result<Context, String> {
    Ok(Context {
        spawner: granted(capabilities, "spawner")?,
        host: granted(capabilities, "host")?,
        module: granted(capabilities, "module")?,
        launch: granted(capabilities, "launch")?,
    })
}

fn granted<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
    capabilities.get(name).map_err(|error| format!("{name}: {error}"))
}

/// Answers the instances that init starts when all of them wait.
fn serve(endpoint: &Cap<Endpoint>) -> Result<String, CallError> {
    let tokens = hear(endpoint)?;
    answer(&tokens)?;
    Ok(format!("{} waited at once", tokens.len()))
}

fn run(context: &Context) -> Result<String, CallError> {
    let served = context.spawner.create_endpoint(Console::DESCRIPTION.id, WRITE)?;
    let console: Cap<Console> = served.root.typed();
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(start(context, &console)?);
    }
    let tokens = hear(&served.receiver)?;
    let mut most = 0;
    for instance in &instances {
        most = most.max(instance.memory.usage()?.committed);
    }
    answer(&tokens)?;
    let mut ended = 0;
    for instance in &instances {
        let end = instance.process.wait()?;
        ended += u32::from(end.kind == OutcomeKind::Exited as u16 && end.code == 0);
    }
    Ok(format!("{} waited at once, {ended} exited with 0, charged at most {most}", tokens.len()))
}

fn start(context: &Context, console: &Cap<Console>) -> Result<Instance, CallError> {
    let made = context.spawner.create("hello", &context.host, LIMIT, 0, 0, 0, 0)?;
    let grants: [(&str, &dyn Capability, u64); 4] = [
        ("stdout", console, WRITE),
        ("memory", &made.memory, VirtualMemory::ALL_METHODS),
        ("module", &context.module, READ),
        ("launch", &context.launch, READ),
    ];
    for (name, capability, methods) in grants {
        made.process.grant(name, capability, methods)?;
    }
    made.process.start()?;
    Ok(Instance { process: made.process, memory: made.memory })
}

/// Receives one write of each instance, and answers none.
fn hear(endpoint: &Cap<Endpoint>) -> Result<Vec<u64>, CallError> {
    let mut tokens = Vec::new();
    while tokens.len() < INSTANCES {
        let incoming = endpoint.begin_accept(Room { bytes: 256, capabilities: 0 })?.wait()?;
        let header = incoming.header()?;
        let params =
            ConsoleWriteParams::decode(incoming.message()).map_err(|_| Exception::InvalidArgument)?;
        if header.interface == KERNEL_INTERFACE || params.bytes != TEXT {
            return Err(Exception::Failed.into());
        }
        tokens.push(header.token);
    }
    Ok(tokens)
}

fn answer(tokens: &[u64]) -> Result<(), CallError> {
    let reply = written()?;
    for token in tokens {
        untyped::reply(*token, &reply, &[])?;
    }
    Ok(())
}

/// The reply to a write of all of the text.
fn written() -> Result<[u8; ConsoleWriteResults::FIXED_BYTES], CallError> {
    let mut reply = [0; ConsoleWriteResults::FIXED_BYTES];
    let results = ConsoleWriteResults { written: TEXT.len() as u32 };
    results.encode(&mut reply).map_err(|_| Exception::Failed)?;
    Ok(reply)
}
