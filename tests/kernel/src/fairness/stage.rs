//! Makes the processes of a comparison, lets them run for a while, and counts.
//!
//! Called by `main`; calls ProcessSpawner. Everybody gets the same memory, and a share of the same weight unless the
//! neighbour says otherwise.
//!
//! Invariant: each measurement starts and ends with nobody else there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::console::Console;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

/// Of the program's 100: worker, server and most neighbours get it each.
const WEIGHT: u32 = 20;
/// Bytes that each may use, and of these the ones that are set aside.
const LIMIT: u64 = 48 << 20;
const RESERVE: u64 = 4 << 20;
/// Nanoseconds before the count begins, as a rule, and while it lasts: 15 slices for each of two.
const START: u64 = 30_000_000;
const WINDOW: u64 = 300_000_000;
/// Entries of the submission ring of a neighbour.
const SUBMISSIONS: u32 = 256;

/// A process that is no good neighbour.
pub(crate) struct Neighbour {
    role: &'static str,
    weight: u32,
    has_spawner: bool,
    /// The role of the server that it and the worker call.
    server: Option<&'static str>,
    /// Nanoseconds before the count begins.
    start: u64,
}

impl Neighbour {
    /// One that plays this role.
    pub(crate) const fn of(role: &'static str) -> Neighbour {
        Neighbour { role, weight: WEIGHT, has_spawner: false, server: None, start: START }
    }

    /// Its share has this weight.
    pub(crate) const fn weighing(self, weight: u32) -> Neighbour {
        Neighbour { weight, ..self }
    }

    /// Of the worker's share and its own together the worker's part, in hundredths.
    pub(crate) const fn fair_part(&self) -> u64 {
        100 * WEIGHT as u64 / (WEIGHT + self.weight) as u64
    }

    /// It takes long until it has all that it can get.
    pub(crate) const fn slow(self) -> Neighbour {
        Neighbour { start: self.start + 20 * START, ..self }
    }

    /// It may create processes.
    pub(crate) const fn spawner(self) -> Neighbour {
        Neighbour { has_spawner: true, ..self }
    }

    /// It and the worker call the same server.
    pub(crate) const fn served(self) -> Neighbour {
        Neighbour { server: Some("serve"), ..self }
    }

    /// The same, and a call takes long.
    pub(crate) const fn served_long(self) -> Neighbour {
        Neighbour { server: Some("serve long"), ..self }
    }
}

/// What the program has.
pub(crate) struct Stage {
    console: Cap<Console>,
    timer: Cap<Timer>,
    memory: Cap<VirtualMemory>,
    spawner: Cap<ProcessSpawner>,
    image: Cap<MemoryObject>,
}

/// A process, and what it counts.
struct Player {
    process: Cap<ProcessHandle>,
    memory: Cap<VirtualMemory>,
}

fn told(what: &str) -> impl Fn(CallError) -> String {
    move |error| format!("{what}: {error}")
}

impl Stage {
    /// All of it, from the CapSet.
    pub(crate) fn new(capabilities: &CapSet) -> Option<Stage> {
        Some(Stage {
            console: capabilities.get("stdout").ok()?,
            timer: capabilities.get("timer").ok()?,
            memory: capabilities.get("memory").ok()?,
            spawner: capabilities.get("spawner").ok()?,
            image: capabilities.get("image").ok()?,
        })
    }

    pub(crate) fn print(&self, line: &str) {
        // Without a console there is nobody to tell: the check misses the line.
        let _ = self.console.write(line.as_bytes());
    }

    /// Units that the worker does in the window: alone, or beside the neighbour, whose account's figures follow.
    ///
    /// # Errors
    /// What was refused, or that the worker has ended.
    pub(crate) fn measure(&self, neighbour: &Neighbour, is_beside: bool) -> Result<(u64, String), String> {
        let counter = self.memory.create_object(8).map_err(told("counter"))?;
        let mut players = Vec::new();
        let worker = self.create(if neighbour.server.is_some() { "call" } else { "work" }, WEIGHT)?;
        worker.grant("counter", &counter, MemoryObject::ALL_METHODS)?;
        let beside = if is_beside { Some(self.create(neighbour.role, neighbour.weight)?) } else { None };
        if let Some(server) = neighbour.server {
            let made =
                self.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS).map_err(told("endpoint"))?;
            let server = self.create(server, WEIGHT)?;
            server.grant("endpoint", &made.receiver, 1 << Endpoint::RECEIVE)?;
            let service: Cap<Probe> = made.root.typed();
            for client in [Some(&worker), beside.as_ref()].into_iter().flatten() {
                client.grant("service", &service, Probe::ALL_METHODS)?;
            }
            players.push(server);
        }
        if let Some(beside) = beside.as_ref().filter(|_| neighbour.has_spawner) {
            let methods = 1 << ProcessSpawner::CREATE | 1 << ProcessSpawner::CREATE_WITHIN;
            beside.grant("spawner", &self.spawner, methods)?;
            beside.grant("image", &self.image, 1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
        }
        let is_there = beside.is_some();
        players.extend(beside);
        players.push(worker);
        for player in &players {
            player.process.start().map_err(told("start"))?;
        }
        let units = self.count(&counter, if is_beside { neighbour.start } else { START });
        let neighbour = players.iter().rev().nth(1).filter(|_| is_there);
        let figures = neighbour.map_or(Ok(String::new()), Player::figures);
        for player in players.iter().rev() {
            player.end()?;
        }
        Ok((units?, figures?))
    }

    /// How far the counter goes in the time of a window. The program itself may have to wait for its turn, at both ends.
    fn count(&self, counter: &Cap<MemoryObject>, wait: u64) -> Result<u64, String> {
        let read = || {
            let mut bytes = [0; 8];
            counter.read(0, 8, &mut bytes).map_err(told("read"))?;
            let now = self.timer.now().map_err(told("now"))?;
            Ok::<_, String>((u64::from_le_bytes(bytes), now))
        };
        self.timer.sleep(self.timer.now().map_err(told("now"))? + wait).map_err(told("sleep"))?;
        let (before, start) = read()?;
        self.timer.sleep(start + WINDOW).map_err(told("sleep"))?;
        let (after, end) = read()?;
        Ok((after - before) * WINDOW / (end - start))
    }

    /// A process that plays a role; it does not run yet.
    fn create(&self, role: &str, weight: u32) -> Result<Player, String> {
        let made = self
            .spawner
            .create_within(role, &self.image, LIMIT, RESERVE, weight, 0, 0, 0, SUBMISSIONS, 0, 0)
            .map_err(told("create"))?;
        let player = Player { process: made.process, memory: made.memory };
        let argument = self.memory.create_object(role.len() as u64).map_err(told("argument"))?;
        argument.write(0, role.as_bytes()).map_err(told("argument"))?;
        player.grant("argument", &argument, 1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
        player.grant("timer", &self.timer, Timer::ALL_METHODS)?;
        player.grant("memory", &player.memory, VirtualMemory::ALL_METHODS)?;
        Ok(player)
    }
}

impl Player {
    fn grant<T: Interface>(&self, name: &str, capability: &Cap<T>, methods: u64) -> Result<(), String> {
        self.process.grant(name, capability, methods).map_err(|error| format!("grant {name}: {error}"))
    }

    /// What its account has come to, of all kinds that a neighbour can take much of.
    fn figures(&self) -> Result<String, String> {
        let account = self.process.accounting().map_err(told("accounting"))?;
        let memory = account.memory().map_err(told("memory"))?;
        let (activity, objects) =
            (account.activity().map_err(told("activity"))?, account.objects().map_err(told("objects"))?);
        Ok(format!(
            "; {} KiB at most, {} entries, {} calls, {} processes, {} operations, {} capabilities, {} refused",
            memory.peak >> 10,
            activity.entries,
            activity.calls_made,
            objects.processes,
            objects.operations,
            objects.capabilities,
            memory.refusals
        ))
    }

    /// Ends it; one that has ended before was refused something.
    fn end(&self) -> Result<(), String> {
        self.process.kill(OutcomeKind::Killed as u16).map_err(told("kill"))?;
        let end = self.process.wait().map_err(told("wait"))?;
        let is_killed = end.kind == OutcomeKind::Killed as u16;
        if is_killed { Ok(()) } else { Err(format!("ended by itself: kind {} code {}", end.kind, end.code)) }
    }
}
