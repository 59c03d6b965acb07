//! `soak`: makes and ends processes that call each other, twenty thousand of them, a million calls and more.
//!
//! Booted by the manifest `soak.cue`. A cycle is a server, clients of four kinds and one that does nothing, which are all
//! `soaked`; some end by themselves, some with calls in flight, some are killed, and the server is killed with calls in its
//! hands. Before the first cycle and behind the last a process called "marker" ends: what the kernel tells of the machine then
//! must be the same.
//!
//! Invariant: between two cycles this program holds nothing that it did not hold before; every client that ends by itself says
//! how many calls it made, and all of them are counted.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_kernel_suite::soak::{CLIENTS, CYCLES, Kind, LIMIT, WAIT, calls_of_cycle, method};
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::schema::console::Console;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, ProcessSpawnerCreateReply};

capos_rt::entry!(main);

struct Context {
    console: Cap<Console>,
    timer: Cap<Timer>,
    spawner: Cap<ProcessSpawner>,
    soaked: Cap<MemoryObject>,
}

/// How many there were.
#[derive(Default)]
struct Counts {
    spawns: u64,
    calls: u64,
}

fn main(capabilities: &CapSet) -> ExitStatus {
    fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Option<Cap<T>> {
        capabilities.get(name).ok()
    }
    let (Some(console), Some(timer), Some(spawner), Some(soaked)) = (
        get(capabilities, "stdout"),
        get(capabilities, "timer"),
        get(capabilities, "spawner"),
        get(capabilities, "soaked"),
    ) else {
        return ExitStatus::exited(2);
    };
    let context = Context { console, timer, spawner, soaked };
    let (line, code) = match context.soak() {
        Ok(Counts { spawns, calls }) => (format!("spawns {spawns} calls {calls}\n"), 0),
        Err(told) => (format!("FAILED  {told}\n"), 1),
    };
    let is_told = context.console.write(line.as_bytes()).is_ok();
    ExitStatus::exited(if is_told { code } else { 3 })
}

impl Context {
    fn soak(&self) -> Result<Counts, String> {
        let mut counts = Counts::default();
        // Two cycles in which tables and this program's heap grow to the size that they keep.
        self.cycle(&mut Counts::default())?;
        self.cycle(&mut Counts::default())?;
        self.mark()?;
        for _ in 0..CYCLES {
            self.cycle(&mut counts)?;
        }
        self.mark()?;
        Ok(counts)
    }

    fn create(&self, name: &str) -> Result<ProcessSpawnerCreateReply, String> {
        told("create", self.spawner.create(name, &self.soaked, LIMIT, 0, 0, 0, 0))
    }

    /// A process that ends at once.
    fn mark(&self) -> Result<(), String> {
        let made = self.create("marker")?;
        told("start", made.process.start())?;
        let end = told("wait", made.process.wait())?;
        if end.code == 0 { Ok(()) } else { Err(format!("the marker ended with {}", end.code)) }
    }

    fn client(&self, kind: Kind, root: &Cap<Probe>) -> Result<Cap<ProcessHandle>, String> {
        let made = self.create(kind.name())?;
        told("grant", made.process.grant("service", root, Probe::ALL_METHODS))?;
        told("grant", made.process.grant("timer", &self.timer, 1 << Timer::NOW))?;
        told("grant", made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS))?;
        // The mark of the kind; what it permits does not matter.
        told("grant", made.process.grant(kind.name(), &self.timer, 0))?;
        told("start", made.process.start())?;
        Ok(made.process)
    }

    fn cycle(&self, counts: &mut Counts) -> Result<(), String> {
        let serving = told("endpoint", self.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS))?;
        let root: Cap<Probe> = serving.root.typed();
        let server = self.create("server")?;
        told("grant", server.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS))?;
        told("grant", server.process.grant("memory", &server.memory, VirtualMemory::ALL_METHODS))?;
        told("start", server.process.start())?;
        let idle = self.client(Kind::Idle, &root)?;
        let mut clients = Vec::new();
        for index in 0..CLIENTS {
            let kind = Kind::of_client(index);
            clients.push((kind, self.client(kind, &root)?));
        }
        counts.spawns += 2 + CLIENTS as u64;
        for (kind, client) in &clients {
            match kind {
                Kind::Finishes | Kind::Leaves => counts.calls += exited(client)?,
                _ => {}
            }
        }
        told("wait for calls", root.call_bytes(method::ECHO, WAIT, &mut []))?;
        for (_, client) in clients.iter().filter(|(kind, _)| *kind == Kind::Killed) {
            killed(client)?;
        }
        killed(&idle)?;
        killed(&server.process)?;
        for (_, client) in clients.iter().filter(|(kind, _)| *kind == Kind::Loses) {
            counts.calls += exited(client)?;
        }
        if counts.calls % calls_of_cycle() == 0 { Ok(()) } else { Err(format!("{} calls", counts.calls)) }
    }
}

/// The exit code of a client that ends by itself: its calls.
fn exited(process: &Cap<ProcessHandle>) -> Result<u64, String> {
    let end = told("wait", process.wait())?;
    if end.kind == OutcomeKind::Exited as u16 {
        return Ok(u64::from(end.code));
    }
    Err(format!("a client ended with kind {} and code {}: {}", end.kind, end.code, end.report))
}

fn killed(process: &Cap<ProcessHandle>) -> Result<(), String> {
    told("kill", process.kill(OutcomeKind::Killed as u16))?;
    let end = told("wait", process.wait())?;
    if end.kind == OutcomeKind::Killed as u16 {
        Ok(())
    } else {
        Err(format!("killed, and of kind {}", end.kind))
    }
}

fn told<T>(what: &str, result: Result<T, CallError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}
