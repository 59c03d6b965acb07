//! The roles: two that do honest work, a server, and the neighbours.
//!
//! Called by `main` in the processes that `stage` makes. A worker counts a unit when everything that belongs to it was done.
//!
//! Invariant: a role ends only if something was refused that must not be.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::CallError;
use capos_rt::abi::ring::KERNEL_INTERFACE;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{Room, Server};
use capos_rt::{Cap, CapSet, hostile};

/// What a role holds.
struct Held<'c>(&'c CapSet);

/// The exit code of a role that cannot be played.
const NOT_ASKED: u32 = 98;
/// Rounds of arithmetic in a unit of work, and in a call to the server.
const ROUNDS: u64 = 1000;
/// Bytes of a page.
const PAGE: u64 = 4096;

/// Plays the role that `argument` names; none without one. Returns the exit code.
pub(crate) fn play(capabilities: &CapSet) -> Option<u32> {
    const ROLES: &[(&str, fn(&Held<'_>) -> Result<(), CallError>)] = &[
        ("work", work),
        ("call", call),
        ("serve", |held| serve(held, ROUNDS)),
        ("serve long", |held| serve(held, 50 * ROUNDS)),
        ("spin", |_| hostile::spin()),
        ("fork", |held| fork(held, usize::MAX)),
        ("fork and kill", |held| fork(held, 4)),
        ("hog", hog),
        ("flood ring", flood_ring),
        ("flood timers", flood_timers),
        ("flood capabilities", flood_capabilities),
        ("flood endpoint", flood_endpoint),
        ("fork callers", fork_callers),
    ];
    let argument: Cap<MemoryObject> = capabilities.get("argument").ok()?;
    let mut bytes = [0; 32];
    let length = argument.info().map_or(0, |info| info.bytes.min(32) as usize);
    let role = bytes.get_mut(..length)?;
    argument.read(0, length as u32, role).ok()?;
    let role = core::str::from_utf8(role).ok();
    let play = ROLES.iter().find(|(name, _)| Some(*name) == role).map(|(_, play)| play);
    Some(match play.map(|play| play(&Held(capabilities))) {
        Some(Ok(())) => 0,
        Some(Err(error)) => error.result().unsigned_abs(),
        None => NOT_ASKED,
    })
}

impl Held<'_> {
    fn get<T: Interface>(&self, name: &str) -> Result<Cap<T>, CallError> {
        self.0.get(name).map_err(|_| capos_rt::abi::error::Transport::BadHandle.into())
    }
}

/// Asks for the time, for a page and for a capability in each unit, and calculates.
fn work(held: &Held<'_>) -> Result<(), CallError> {
    let (timer, memory): (Cap<Timer>, Cap<VirtualMemory>) = (held.get("timer")?, held.get("memory")?);
    let counter: Cap<MemoryObject> = held.get("counter")?;
    let address = memory.reserve(PAGE)?;
    for units in 1u64.. {
        timer.now()?;
        drop(timer.derive(1 << Timer::NOW)?);
        memory.commit(address, PAGE)?;
        hostile::store(address);
        memory.decommit(address, PAGE)?;
        hostile::count_down(ROUNDS);
        counter.write(0, &units.to_le_bytes())?;
    }
    Ok(())
}

/// Calls the server in each unit.
fn call(held: &Held<'_>) -> Result<(), CallError> {
    let (service, counter): (Cap<Probe>, Cap<MemoryObject>) = (held.get("service")?, held.get("counter")?);
    for units in 1u64.. {
        let mut reply = [0; 8];
        service.call_bytes(0, &units.to_le_bytes(), &mut reply)?;
        hostile::count_down(ROUNDS);
        counter.write(0, &units.to_le_bytes())?;
    }
    Ok(())
}

/// Calculates so long for each call, and answers.
fn serve(held: &Held<'_>, rounds: u64) -> Result<(), CallError> {
    let endpoint: Cap<Endpoint> = held.get("endpoint")?;
    let mut server = Server::new(&endpoint, 8, 64)?;
    let mut header = server.receive()?;
    loop {
        header = if header.interface == KERNEL_INTERFACE {
            server.receive()?
        } else {
            hostile::count_down(rounds);
            server.reply_and_receive(header.token, 8)?
        };
    }
}

/// Makes busy children until that is refused or there are `most`, then ends the oldest for each new one.
fn fork(held: &Held<'_>, most: usize) -> Result<(), CallError> {
    const LIMIT: u64 = 512 << 10;
    let (spawner, image): (Cap<ProcessSpawner>, Cap<MemoryObject>) =
        (held.get("spawner")?, held.get("image")?);
    let memory: Cap<VirtualMemory> = held.get("memory")?;
    let argument = memory.create_object(4)?;
    argument.write(0, b"spin")?;
    let begin = || -> Result<Cap<ProcessHandle>, CallError> {
        let made = spawner.create_within("child", &image, LIMIT, 0, 0, 0, 0, 0, 0, 0, 0)?;
        made.process.grant("argument", &argument, 1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
        made.process.start()?;
        Ok(made.process)
    };
    let mut children = VecDeque::new();
    loop {
        if children.len() < most
            && let Ok(child) = begin()
        {
            children.push_back(child);
            continue;
        }
        if let Some(oldest) = children.pop_front() {
            oldest.kill(capos_rt::abi::outcome::OutcomeKind::Killed as u16)?;
            oldest.wait()?;
        }
    }
}

/// Makes children that keep calls to the server in progress, each as many as it gets.
fn fork_callers(held: &Held<'_>) -> Result<(), CallError> {
    const LIMIT: u64 = 2 << 20;
    const CHILDREN: usize = 8;
    let (spawner, image): (Cap<ProcessSpawner>, Cap<MemoryObject>) =
        (held.get("spawner")?, held.get("image")?);
    let (memory, service): (Cap<VirtualMemory>, Cap<Probe>) = (held.get("memory")?, held.get("service")?);
    let role = b"flood endpoint";
    let argument = memory.create_object(role.len() as u64)?;
    argument.write(0, role)?;
    let mut children = Vec::new();
    for _ in 0..CHILDREN {
        let made = spawner.create_within("child", &image, LIMIT, 256 << 10, 0, 0, 0, 0, 256, 0, 0)?;
        made.process.grant("argument", &argument, 1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
        made.process.grant("service", &service, Probe::ALL_METHODS)?;
        made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
        made.process.start()?;
        children.push(made.process);
    }
    flood_endpoint(held)
}

/// Takes all the memory that it gets, touches it, gives it back, and begins again.
fn hog(held: &Held<'_>) -> Result<(), CallError> {
    const STEP: u64 = 64 * PAGE;
    let memory: Cap<VirtualMemory> = held.get("memory")?;
    let limit = memory.usage()?.limit;
    let address = memory.reserve(limit)?;
    loop {
        let mut end = address;
        while end < address + limit && memory.commit(end, STEP).is_ok() {
            (end..end + STEP).step_by(PAGE as usize).for_each(hostile::store);
            end += STEP;
        }
        memory.decommit(address, end - address)?;
    }
}

/// Fills its rings with submissions that ask for nothing, again and again.
fn flood_ring(_: &Held<'_>) -> Result<(), CallError> {
    use capos_rt::abi::ring::offset;
    let layout = hostile::layout();
    let mut tail = hostile::header(offset::SUBMISSION_TAIL);
    for index in 0..layout.submission_entries {
        hostile::write_submission(tail.wrapping_add(index), &[0; 8]);
    }
    loop {
        tail = tail.wrapping_add(layout.submission_entries);
        hostile::set_header(offset::SUBMISSION_TAIL, tail);
        hostile::enter(0, 0, 0);
        hostile::set_header(offset::COMPLETION_HEAD, hostile::header(offset::COMPLETION_TAIL));
    }
}

/// Keeps as many sleeps in progress as it gets, each as short as can be.
fn flood_timers(held: &Held<'_>) -> Result<(), CallError> {
    let timer: Cap<Timer> = held.get("timer")?;
    let mut sleeps = VecDeque::new();
    loop {
        let due = timer.now()? + 10_000;
        while let Ok(sleep) = timer.begin_sleep(due) {
            sleeps.push_back(sleep);
        }
        capos_rt::flush();
        if let Some(oldest) = sleeps.pop_front() {
            oldest.wait()?;
        }
        while sleeps.front().is_some_and(|sleep| sleep.call().is_complete()) {
            sleeps.pop_front();
        }
    }
}

/// Derives as many capabilities as it gets, gives them up, and begins again.
fn flood_capabilities(held: &Held<'_>) -> Result<(), CallError> {
    let timer: Cap<Timer> = held.get("timer")?;
    loop {
        let mut derived = Vec::new();
        while let Ok(one) = derived.last().unwrap_or(&timer).derive(Timer::ALL_METHODS) {
            derived.push(one);
        }
    }
}

/// Keeps as many calls to the server in progress as it gets.
fn flood_endpoint(held: &Held<'_>) -> Result<(), CallError> {
    let service: Cap<Probe> = held.get("service")?;
    let mut calls = VecDeque::new();
    loop {
        while let Ok(call) = service.begin_untyped(0, &[0; 8], &[], Room { bytes: 8, capabilities: 0 }) {
            calls.push_back(call);
        }
        capos_rt::flush();
        if let Some(oldest) = calls.pop_front() {
            oldest.wait()?;
        }
    }
}
