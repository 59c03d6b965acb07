//! `stretch`: keeps ring 0 busy with what takes long, and looks how late a timer is served meanwhile.
//!
//! Booted by the manifest `stretch.cue` beside the cases, under QEMU's instruction clock, where an instruction takes one
//! nanosecond: a revocation of ten thousand capabilities, the end of a process with 512 MiB, the end of one
//! with ten thousand things of the kernel's, full rings of the largest calls, each by itself and then all together. The program sleeps for short times and notes how late it is woken. One line for each
//! scene tells the numbers. How long interrupts are off is counted from outside.
//!
//! Invariant: nothing is judged here; the check compares the numbers.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod scene;

use alloc::format;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

use scene::{Calls, Filled, Hoard, Tree};

capos_rt::entry!(main);

/// Nanoseconds of a sleep.
const NAP: u64 = 2_000;
/// How long rings are kept full by themselves.
const CALLS_LAST: u64 = 40_000_000;

/// What the program holds.
pub(crate) struct Context {
    console: Cap<Console>,
    pub(crate) timer: Cap<Timer>,
    pub(crate) random: Cap<EntropySource>,
    pub(crate) memory: Cap<VirtualMemory>,
    pub(crate) spawner: Cap<ProcessSpawner>,
    pub(crate) load: Cap<MemoryObject>,
}

fn main(capabilities: &CapSet) -> ExitStatus {
    let Some(context) = context(capabilities) else { return ExitStatus::exited(2) };
    let Err(error) = scenes(&context) else { return ExitStatus::exited(0) };
    let _ = context.console.write(format!("failed: {error}\n").as_bytes());
    ExitStatus::exited(1)
}

fn context(capabilities: &CapSet) -> Option<Context> {
    fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Option<Cap<T>> {
        capabilities.get(name).ok()
    }
    Some(Context {
        console: get(capabilities, "stdout")?,
        timer: get(capabilities, "timer")?,
        random: get(capabilities, "random")?,
        memory: get(capabilities, "memory")?,
        spawner: get(capabilities, "spawner")?,
        load: get(capabilities, "load")?,
    })
}

fn scenes(context: &Context) -> Result<(), CallError> {
    let tree = Tree::grow(context)?;
    let revocation = tree.begin()?;
    let naps = context.nap(|_| !revocation.call().is_complete())?;
    context.tell("revocation", &naps, &tree.end(context, revocation)?)?;

    let filled = Filled::start(context)?;
    let end = filled.begin_end()?;
    let naps = context.nap(|_| !end.call().is_complete())?;
    context.tell("end", &naps, &Filled::judge(end)?)?;

    let hoard = Hoard::start(context)?;
    let end = hoard.begin_end()?;
    let naps = context.nap(|_| !end.call().is_complete())?;
    context.tell("hoard", &naps, &hoard.judge(end)?)?;

    let calls = Calls::start(context)?;
    let naps = context.nap(|passed| passed < CALLS_LAST)?;
    context.tell("calls", &naps, "")?;

    let tree = Tree::grow(context)?;
    let filled = Filled::start(context)?;
    let (revocation, end) = (tree.begin()?, filled.begin_end()?);
    let naps = context.nap(|_| !revocation.call().is_complete() || !end.call().is_complete())?;
    let told = format!("{} {}", tree.end(context, revocation)?, Filled::judge(end)?);
    context.tell("together", &naps, &told)?;
    calls.end()
}

/// What came of the sleeps.
struct Naps {
    count: u64,
    /// Nanoseconds that one was woken too late at most.
    worst: u64,
    /// Nanoseconds that all of it took.
    took: u64,
}

impl Context {
    /// Sleeps again and again while `goes_on`, which is told how long it has been.
    fn nap(&self, goes_on: impl Fn(u64) -> bool) -> Result<Naps, CallError> {
        let start = self.timer.now()?;
        let mut naps = Naps { count: 0, worst: 0, took: 0 };
        while goes_on(naps.took) {
            let due = self.timer.now()? + NAP;
            self.timer.sleep(due)?;
            let now = self.timer.now()?;
            naps.worst = naps.worst.max(now - due);
            naps.took = now - start;
            naps.count += 1;
        }
        Ok(naps)
    }

    fn tell(&self, scene: &str, naps: &Naps, result: &str) -> Result<(), CallError> {
        let Naps { count, worst, took } = naps;
        let line = format!("{scene} naps {count} worst {worst} took {took} {result}\n");
        self.console.write(line.as_bytes()).map(drop)
    }
}
