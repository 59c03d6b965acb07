//! The ways to have others pay, and to spend more than there is: programs for tests of the bill.
//!
//! Called by `main`; they have `object` in their CapSet, in which they write what they have done.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

extern crate alloc;

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{Room, Server};
use capos_rt::{Cap, CapSet, hostile};

use capos_kernel_suite::probe::Probe;

/// What a way does.
type Way = fn(&CapSet) -> Result<(), CallError>;

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("serve and dawdle", |held| code(held, serve_and_dawdle)),
        ("receive and fill", |held| code(held, receive_and_fill)),
        ("call and mark", |held| code(held, call_and_mark)),
        ("spend and read", |held| code(held, spend_and_read)),
        ("spend and sleep", |held| code(held, spend_and_sleep)),
        ("sleep on the grid", |held| code(held, sleep_on_the_grid)),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

fn code(held: &CapSet, way: Way) -> u32 {
    u32::from(way(held).is_err())
}

fn get<T: Interface>(held: &CapSet, name: &str) -> Result<Cap<T>, CallError> {
    held.get(name).map_err(|_| Transport::BadHandle.into())
}

const SMALL: Room = Room { bytes: 64, capabilities: 0 };
/// Bytes that a way fills, so that its end takes long.
const FILLED: u64 = 1 << 20;
/// Distances of the grid on which two sleep, in nanoseconds, and how many of them each sleeps for.
const GRID: u64 = 2_000_000;
const SLEEPS: u64 = 20;
/// Rounds that take far longer than any budget of a test.
const TOO_MANY: u64 = 20_000_000;

/// Says in byte 0 that it has a call of method 0, and answers when byte 1 is set; other methods at once.
fn serve_and_dawdle(held: &CapSet) -> Result<(), CallError> {
    let (endpoint, object): (Cap<Endpoint>, Cap<MemoryObject>) =
        (get(held, "endpoint")?, get(held, "object")?);
    let mut server = Server::new(&endpoint, 64, 64)?;
    let mut header = server.receive()?;
    loop {
        if header.interface != Probe::ID {
            header = server.receive()?;
            continue;
        }
        let mut told = [u8::from(header.method != 0)];
        while told[0] == 0 {
            object.write(0, &[1])?;
            object.read(1, 1, &mut told)?;
        }
        header = server.reply_and_receive(header.token, 0).or_else(|_| server.receive())?;
    }
}

/// Has a megabyte of memory with contents.
fn fill(held: &CapSet) -> Result<(), CallError> {
    let memory: Cap<VirtualMemory> = get(held, "memory")?;
    let address = memory.reserve(FILLED)?;
    memory.commit(address, FILLED)?;
    (address..address + FILLED).step_by(4096).for_each(hostile::store);
    Ok(())
}

/// Ends with a call in its hands and much to take apart.
fn receive_and_fill(held: &CapSet) -> Result<(), CallError> {
    let endpoint: Cap<Endpoint> = get(held, "endpoint")?;
    core::mem::forget(endpoint.begin_accept(SMALL)?.wait()?);
    fill(held)
}

/// Says in byte 0 that the server of its call has ended.
fn call_and_mark(held: &CapSet) -> Result<(), CallError> {
    let (service, object): (Cap<Probe>, Cap<MemoryObject>) = (get(held, "service")?, get(held, "object")?);
    let answer = service.call_untyped(0, b"", &[], SMALL).map(drop);
    if answer == Err(Transport::Disconnected.into()) {
        object.write(0, &[1])?;
    }
    Ok(())
}

/// Reads its own account until no time is left in this period, and says in byte 0 that it went on behind that.
fn spend_and_read(held: &CapSet) -> Result<(), CallError> {
    let (account, object): (Cap<Accounting>, Cap<MemoryObject>) =
        (get(held, "accounting")?, get(held, "object")?);
    while account.processor()?.left > 0 {
        hostile::count_down(10_000);
    }
    hostile::count_down(TOO_MANY);
    object.write(0, &[1])
}

/// Begins sleeps that end one nanosecond behind each point of the grid, with this offset.
fn begin_sleeps(held: &CapSet, offset: u64) -> Result<Vec<capos_rt::Pending<()>>, CallError> {
    let timer: Cap<Timer> = get(held, "timer")?;
    let start = timer.now()? / GRID;
    let sleeps = (1..=SLEEPS).map(|point| timer.begin_sleep((start + point) * GRID + offset)).collect();
    capos_rt::flush();
    sleeps
}

/// Calculates while its sleeps end, and says in byte 0 that it has done all of it.
fn spend_and_sleep(held: &CapSet) -> Result<(), CallError> {
    let object: Cap<MemoryObject> = get(held, "object")?;
    let sleeps = begin_sleeps(held, 1)?;
    hostile::count_down(TOO_MANY);
    object.write(0, &[1])?;
    drop(sleeps);
    Ok(())
}

/// Sleeps, without being woken in between.
fn sleep_on_the_grid(held: &CapSet) -> Result<(), CallError> {
    let _sleeps = begin_sleeps(held, 0)?;
    hostile::enter(u64::from(u32::MAX), u64::MAX, 0);
    Ok(())
}
