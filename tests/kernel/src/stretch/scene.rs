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
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
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
