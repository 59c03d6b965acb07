//! What is going on while `main` sleeps.
//!
//! Called by `main`; starts the program `load`.
//!
//! Invariant: everything is made before the first nap, so what is looked at is the end of it, or a steady state.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::message::DATA_BYTES_MAX;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::mask;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{self, Room};
use capos_rt::{Cap, Capability, Pending, ProcessHandleWaitReply};

use crate::Context;

/// In a chain, and as many again side by side.
const DESCENDANTS: usize = 5_000;
/// Sleeps in flight through the last of the chain.
const SLEEPS: u64 = 8;
/// Bytes that a process with 512 MiB may use, with its page tables.
const FILLED_LIMIT: u64 = 516 << 20;
/// Bytes that a process with ten thousand things may use.
const HOARD_LIMIT: u64 = 96 << 20;
/// Those of them that live on.
const LASTING: usize = 2_500;
/// What it may make.
const SPAWNER: u64 =
    mask(&[ProcessSpawner::CREATE, ProcessSpawner::CREATE_ENDPOINT, ProcessSpawner::CREATE_NOTIFICATION]);
/// Bytes that another may use.
const LIMIT: u64 = 16 << 20;
/// Submissions that the rings of callers hold.
const ENTRIES: u32 = 32;

/// Ten thousand capabilities.
pub(crate) struct Tree {
    trunk: Cap<Timer>,
    below: Vec<Cap<Timer>>,
    sleeps: Vec<Pending<()>>,
}

impl Tree {
    pub(crate) fn grow(context: &Context) -> Result<Tree, CallError> {
        let trunk = context.timer.derive(Timer::ALL_METHODS)?;
        let mut below: Vec<Cap<Timer>> = Vec::new();
        for _ in 0..DESCENDANTS {
            below.push(below.last().unwrap_or(&trunk).derive(Timer::ALL_METHODS)?);
        }
        let last = below.last().unwrap_or(&trunk);
        let sleeps = (0..SLEEPS).map(|one| last.begin_sleep(u64::MAX - 1 - one)).collect::<Result<_, _>>()?;
        for _ in 0..DESCENDANTS {
            below.push(trunk.derive(Timer::ALL_METHODS)?);
        }
        Ok(Tree { trunk, below, sleeps })
    }

    /// Begins to take them back.
    pub(crate) fn begin(&self) -> Result<Pending<()>, CallError> {
        self.trunk.begin_revoke()
    }

    /// How much of it is dead.
    pub(crate) fn end(self, context: &Context, revocation: Pending<()>) -> Result<String, CallError> {
        revocation.wait()?;
        let ended = self.sleeps.into_iter().filter_map(|sleep| sleep.wait().err()).count();
        let dead = self.below.iter().filter(|one| one.now().is_err()).count();
        context.timer.now()?;
        Ok(format!("dead {dead} sleeps {ended}"))
    }
}

/// A process with 512 MiB that ends when it is answered.
pub(crate) struct Filled {
    process: Cap<ProcessHandle>,
    token: u64,
    _endpoint: Cap<Endpoint>,
}

impl Filled {
    pub(crate) fn start(context: &Context) -> Result<Filled, CallError> {
        let serving = context.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS)?;
        let made = context.spawner.create("filled", &context.load, FILLED_LIMIT, 0, 0, 0, 0)?;
        made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
        made.process.grant("ready", &serving.root, Probe::ALL_METHODS)?;
        made.process.start()?;
        let ready = serving.receiver.begin_accept(Room { bytes: 64, capabilities: 0 })?.wait()?;
        let token = ready.header()?.token;
        Ok(Filled { process: made.process, token, _endpoint: serving.receiver })
    }

    /// Lets it end.
    pub(crate) fn begin_end(&self) -> Result<Pending<ProcessHandleWaitReply>, CallError> {
        let wait = self.process.begin_wait()?;
        untyped::reply(self.token, b"", &[])?;
        Ok(wait)
    }

    /// How it ended.
    pub(crate) fn judge(end: Pending<ProcessHandleWaitReply>) -> Result<String, CallError> {
        let reply = end.wait()?;
        Ok(format!("kind {} code {}", reply.kind, reply.code))
    }
}

/// A process that has ten thousand things of the kernel's and ends when it is answered. Those that it made itself go with it,
/// the others live on.
pub(crate) struct Hoard {
    process: Cap<ProcessHandle>,
    token: u64,
    made: u64,
    objects: Vec<Cap<MemoryObject>>,
    _endpoint: Cap<Endpoint>,
}

impl Hoard {
    pub(crate) fn start(context: &Context) -> Result<Hoard, CallError> {
        let serving = context.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS)?;
        let made = context.spawner.create("hoard", &context.load, HOARD_LIMIT, 0, 0, 0, 0)?;
        let grants: [(&str, &dyn Capability, u64); 4] = [
            ("memory", &made.memory, VirtualMemory::ALL_METHODS),
            ("spawner", &context.spawner, SPAWNER),
            ("image", &context.load, 1 << MemoryObject::INFO | 1 << MemoryObject::READ),
            ("hoard", &serving.root, Probe::ALL_METHODS),
        ];
        for (name, capability, methods) in grants {
            made.process.grant(name, capability, methods)?;
        }
        let objects = (0..LASTING).map(|_| made.memory.create_object(1)).collect::<Result<Vec<_>, _>>()?;
        made.process.start()?;
        let ready = serving.receiver.begin_accept(Room { bytes: 64, capabilities: 0 })?.wait()?;
        let count = ready.message().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let (token, made_all) = (ready.header()?.token, count + objects.len() as u64);
        let (process, _endpoint) = (made.process, serving.receiver);
        Ok(Hoard { process, token, made: made_all, objects, _endpoint })
    }

    /// Lets it end.
    pub(crate) fn begin_end(&self) -> Result<Pending<ProcessHandleWaitReply>, CallError> {
        let wait = self.process.begin_wait()?;
        untyped::reply(self.token, b"", &[])?;
        Ok(wait)
    }

    /// How it ended, and what is left of it.
    pub(crate) fn judge(self, end: Pending<ProcessHandleWaitReply>) -> Result<String, CallError> {
        let reply = end.wait()?;
        let lasting = self.objects.iter().filter(|object| object.write(0, &[1]).is_ok()).count();
        Ok(format!("kind {} code {} of {} left {lasting}", reply.kind, reply.code, self.made))
    }
}

/// A server with a client whose ring is full of calls to it, one whose ring is full of writes to a memory object, and one
/// that takes random bytes.
pub(crate) struct Calls {
    processes: Vec<Cap<ProcessHandle>>,
}

impl Calls {
    pub(crate) fn start(context: &Context) -> Result<Calls, CallError> {
        let serving = context.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS)?;
        let object = context.memory.create_object(DATA_BYTES_MAX as u64)?;
        let mut processes = Vec::new();
        let mut start = |name: &str, capability: &dyn Capability, methods| {
            let made = context.spawner.create(name, &context.load, LIMIT, 0, ENTRIES, 2 * ENTRIES, 0)?;
            made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
            made.process.grant(name, capability, methods)?;
            made.process.start()?;
            processes.push(made.process);
            Ok::<_, CallError>(())
        };
        start("endpoint", &serving.receiver, Endpoint::ALL_METHODS)?;
        start("service", &serving.root, Probe::ALL_METHODS)?;
        start("object", &object, MemoryObject::ALL_METHODS)?;
        start("random", &context.random, EntropySource::ALL_METHODS)?;
        Ok(Calls { processes })
    }

    /// Ends them, if they have not ended by themselves.
    pub(crate) fn end(self) -> Result<(), CallError> {
        for process in self.processes {
            process.kill(OutcomeKind::Killed as u16)?;
            if process.wait()?.kind != OutcomeKind::Killed as u16 {
                return Err(Transport::Disconnected.into());
            }
        }
        Ok(())
    }
}
