//! The roles. Each has a timer, its own memory, and a `board` of words that it shares with who made it.
//!
//! Called by `main` in the processes that `stage` makes.
//!
//! Invariant: a role that ends with code 0 has done all of what it is for.

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::ring::KERNEL_INTERFACE;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::Server;
use capos_rt::{Cap, CapSet, hostile};

/// The board's words: what the role is to know, that it is to go on, and what it has come to.
pub(crate) const PARAMETER: u64 = 0;
pub(crate) const GO: u64 = 1;
pub(crate) const STATE: u64 = 2;
/// Words of a board.
pub(crate) const WORDS: u64 = 3;

/// Nanoseconds of the processor that a call to the server costs: two instructions a round.
pub(crate) const SERVICE: u64 = 5_000_000;
/// Rounds in a unit of work.
const ROUNDS: u64 = 1000;
/// Nanoseconds between two looks at the board.
const MOMENT: u64 = 1_000_000;
const PAGE: u64 = 4096;
/// The exit code of a role that nobody knows.
const NOT_ASKED: u32 = 98;

/// Plays the role that `argument` names; none without one. Returns the exit code.
pub(crate) fn play(capabilities: &CapSet) -> Option<u32> {
    let argument: Cap<MemoryObject> = capabilities.get("argument").ok()?;
    let mut bytes = [0; 16];
    let length = argument.info().map_or(0, |info| info.bytes.min(16) as usize);
    let role = bytes.get_mut(..length)?;
    argument.read(0, length as u32, role).ok()?;
    let result = match core::str::from_utf8(role) {
        Ok("touch") => touch(capabilities),
        Ok("work") => work(capabilities),
        Ok("serve") => serve(capabilities),
        Ok("call") => call(capabilities),
        _ => return Some(NOT_ASKED),
    };
    Some(result.map_or_else(|error| error.result().unsigned_abs(), |()| 0))
}

fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, CallError> {
    capabilities.get(name).map_err(|_| Transport::BadHandle.into())
}

/// What a role shares with who made it.
pub(crate) struct Board(pub(crate) Cap<MemoryObject>);

impl Board {
    pub(crate) fn read(&self, word: u64) -> Result<u64, CallError> {
        let mut bytes = [0; 8];
        self.0.read(8 * word, 8, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(crate) fn write(&self, word: u64, value: u64) -> Result<(), CallError> {
        self.0.write(8 * word, &value.to_le_bytes()).map(drop)
    }
}

/// Commits the pages that the board states; when it says so, touches all of them, and waits until it is ended.
fn touch(held: &CapSet) -> Result<(), CallError> {
    let (timer, memory): (Cap<Timer>, Cap<VirtualMemory>) = (get(held, "timer")?, get(held, "memory")?);
    let board = Board(get(held, "board")?);
    let bytes = board.read(PARAMETER)? * PAGE;
    let address = memory.reserve(bytes)?;
    memory.commit(address, bytes)?;
    board.write(STATE, 1)?;
    while board.read(GO)? == 0 {
        timer.sleep(timer.now()? + MOMENT)?;
    }
    (address..address + bytes).step_by(PAGE as usize).for_each(hostile::store);
    board.write(STATE, 2)?;
    loop {
        timer.sleep(timer.now()? + 1000 * MOMENT)?;
    }
}

/// Counts units of work for ever.
fn work(held: &CapSet) -> Result<(), CallError> {
    let board = Board(get(held, "board")?);
    for units in 1u64.. {
        hostile::count_down(ROUNDS);
        board.write(STATE, units)?;
    }
    Ok(())
}

/// Works for each call, and answers.
fn serve(held: &CapSet) -> Result<(), CallError> {
    let endpoint: Cap<Endpoint> = get(held, "endpoint")?;
    let mut server = Server::new(&endpoint, 8, 64)?;
    let mut header = server.receive()?;
    loop {
        header = if header.interface == KERNEL_INTERFACE {
            server.receive()?
        } else {
            hostile::count_down(SERVICE / 2);
            server.reply_and_receive(header.token, 8)?
        };
    }
}

/// Says that it calls, calls the server once, and says how long that took.
fn call(held: &CapSet) -> Result<(), CallError> {
    let (timer, service): (Cap<Timer>, Cap<Probe>) = (get(held, "timer")?, get(held, "service")?);
    let board = Board(get(held, "board")?);
    board.write(GO, 1)?;
    let start = timer.now()?;
    service.call_bytes(0, &[0; 8], &mut [0; 8])?;
    board.write(STATE, timer.now()? - start)
}
