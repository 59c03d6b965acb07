//! Makes the processes of a scene with limits of their own, and watches them.
//!
//! Called by `scenes`; calls ProcessSpawner.
//!
//! Invariant: a player that is dropped without having been ended is ended by who asks for its end, or by the machine's.

use alloc::format;
use alloc::string::String;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::console::Console;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, ProcessSpawnerCreateEndpointReply};

use crate::roles::{Board, GO, PARAMETER, STATE, WORDS};

/// Nanoseconds between two looks at a board.
const MOMENT: u64 = 1_000_000;
/// Looks at a board before its role is given up: some seconds of the instruction clock.
const LOOKS: u32 = 10_000;

/// What a player gets.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes, and of these the ones that are set aside.
    pub(crate) memory: u64,
    pub(crate) reserve: u64,
    pub(crate) weight: u32,
    /// Nanoseconds of the processor in each period of nanoseconds; both 0 for no such limit.
    pub(crate) rate: [u64; 2],
}

impl Limits {
    /// A small process without a budget.
    pub(crate) const SMALL: Limits = Limits { memory: 2 << 20, reserve: 2 << 20, weight: 10, rate: [0, 0] };
}

/// What the program has.
pub(crate) struct Stage {
    console: Cap<Console>,
    pub(crate) timer: Cap<Timer>,
    memory: Cap<VirtualMemory>,
    spawner: Cap<ProcessSpawner>,
    image: Cap<MemoryObject>,
}

/// A process that plays a role.
pub(crate) struct Player {
    process: Cap<ProcessHandle>,
    board: Board,
    pub(crate) account: Cap<Accounting>,
}

/// The text of an error, with what was asked.
pub(crate) fn told(what: &str) -> impl Fn(CallError) -> String {
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

    pub(crate) fn now(&self) -> Result<u64, String> {
        self.timer.now().map_err(told("now"))
    }

    pub(crate) fn sleep(&self, nanoseconds: u64) -> Result<(), String> {
        self.timer.sleep(self.now()? + nanoseconds).map(drop).map_err(told("sleep"))
    }

    /// A player with this word on its board, which does not run yet; none if the machine has not enough.
    pub(crate) fn create_if(
        &self,
        role: &str,
        parameter: u64,
        limits: Limits,
    ) -> Result<Option<Player>, String> {
        let Limits { memory, reserve, weight, rate } = limits;
        let created = self.spawner.create_within(
            role,
            &self.image,
            memory,
            reserve,
            weight,
            rate[0],
            rate[1],
            0,
            0,
            0,
            0,
        );
        let Ok(made) = created else { return Ok(None) };
        let board = Board(self.memory.create_object(8 * WORDS).map_err(told("board"))?);
        board.write(PARAMETER, parameter).map_err(told("board"))?;
        let account = made.process.accounting().map_err(told("accounting"))?;
        let player = Player { process: made.process, board, account };
        let argument = self.memory.create_object(role.len() as u64).map_err(told("argument"))?;
        argument.write(0, role.as_bytes()).map_err(told("argument"))?;
        player.grant("argument", &argument, 1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
        player.grant("board", &player.board.0, MemoryObject::ALL_METHODS)?;
        player.grant("timer", &self.timer, Timer::ALL_METHODS)?;
        player.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
        Ok(Some(player))
    }

    /// The same, where there is enough.
    pub(crate) fn create(&self, role: &str, parameter: u64, limits: Limits) -> Result<Player, String> {
        self.create_if(role, parameter, limits)?.ok_or_else(|| format!("{role} is not created"))
    }

    /// An endpoint, which `server` serves.
    pub(crate) fn serve(&self, server: &Player) -> Result<ProcessSpawnerCreateEndpointReply, String> {
        let made = self.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS).map_err(told("endpoint"))?;
        server.grant("endpoint", &made.receiver, 1 << Endpoint::RECEIVE)?;
        Ok(made)
    }

    /// Waits until the player's state is that; false if it has ended before.
    pub(crate) fn reaches(&self, player: &Player, state: u64) -> Result<bool, String> {
        for _ in 0..LOOKS {
            if player.state()? == state {
                return Ok(true);
            }
            if player.objects()? == 0 {
                return Ok(false);
            }
            self.sleep(MOMENT)?;
        }
        Err(format!("a player does not come to {state}"))
    }
}

impl Player {
    pub(crate) fn grant<T: Interface>(&self, name: &str, held: &Cap<T>, methods: u64) -> Result<(), String> {
        self.process.grant(name, held, methods).map_err(|error| format!("grant {name}: {error}"))
    }

    pub(crate) fn start(&self) -> Result<(), String> {
        self.process.start().map_err(told("start"))
    }

    /// What its role has come to.
    pub(crate) fn state(&self) -> Result<u64, String> {
        self.board.read(STATE).map_err(told("read"))
    }

    /// True if it says so itself.
    pub(crate) fn goes(&self) -> Result<bool, String> {
        Ok(self.board.read(GO).map_err(told("read"))? != 0)
    }

    /// Lets it go on.
    pub(crate) fn go(&self) -> Result<(), String> {
        self.board.write(GO, 1).map_err(told("write"))
    }

    /// Capabilities that it holds: none when it has ended.
    fn objects(&self) -> Result<u32, String> {
        Ok(self.account.objects().map_err(told("objects"))?.capabilities)
    }

    /// Nanoseconds of the processor that it has paid for.
    pub(crate) fn time(&self) -> Result<u64, String> {
        Ok(self.account.processor().map_err(told("processor"))?.time)
    }

    /// Waits for its end: the kind, and the exit code.
    pub(crate) fn end(&self) -> Result<(Option<OutcomeKind>, u32), String> {
        let end = self.process.wait().map_err(told("wait"))?;
        Ok((OutcomeKind::from_number(end.kind), end.code))
    }

    /// Ends it; one that has ended before did so by itself.
    pub(crate) fn kill(&self) -> Result<(), String> {
        self.process.kill(OutcomeKind::Killed as u16).map_err(told("kill"))?;
        match self.end()? {
            (Some(OutcomeKind::Killed), _) => Ok(()),
            (kind, code) => Err(format!("ended by itself: {kind:?} {code}")),
        }
    }
}
