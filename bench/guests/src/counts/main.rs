//! `counts`: runs each operation N times, then 2N times, and prints how long both took.
//!
//! Booted by `counts.cue` under QEMU's instruction clock, where an instruction takes one nanosecond; a line is
//! `count NAME N TICKS TICKS-OF-2N`, with `split NAME N` behind it where the calls of `edge` stand. `capos-bench` divides the difference by N, so the costs of reading the clock and of
//! entering the loop drop out. Where an operation may wait for the host the line has the least of single operations.
//!
//! Invariant: before an operation is counted it has run once, so what happens only once (a growing heap, a first touch) is
//! not in the count. Nothing is judged here.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod calls;
mod memory;
mod notifications;
mod revocation;
mod spawn;
mod typed;

use alloc::format;
use alloc::string::String;
use alloc::vec;

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

capos_rt::entry!(main);

/// The largest message of the Console: what one write may carry.
const LARGE: usize = 64 * 1024 - 64;

/// Bytes of a flood of output, 64 MiB.
const FLOOD: usize = 64 << 20;
/// KiB of it that are written at once.
const PIECE_KIB: usize = 63;

/// What the program holds.
pub(crate) struct Context {
    /// Where the lines go.
    output: Cap<Console>,
    /// Where the bytes go whose writing is counted.
    sink: Cap<Console>,
    pub(crate) timer: Cap<Timer>,
    random: Cap<EntropySource>,
    pub(crate) memory: Cap<VirtualMemory>,
    pub(crate) spawner: Cap<ProcessSpawner>,
    pub(crate) first: Cap<MemoryObject>,
    pub(crate) echo: Cap<MemoryObject>,
    pub(crate) bell: Cap<MemoryObject>,
}

fn main(capabilities: &CapSet) -> ExitStatus {
    let told = context(capabilities).and_then(|context| {
        let ended = counts(&context).map_err(|error| format!("{error}"));
        ended.inspect_err(|told| {
            let _ = context.output.write(format!("failed: {told}\n").as_bytes());
        })
    });
    ExitStatus::exited(u32::from(told.is_err()))
}

fn context(capabilities: &CapSet) -> Result<Context, String> {
    fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
        capabilities.get(name).map_err(|error| format!("{name}: {error}"))
    }
    Ok(Context {
        output: get(capabilities, "stdout")?,
        sink: get(capabilities, "stderr")?,
        timer: get(capabilities, "timer")?,
        random: get(capabilities, "random")?,
        memory: get(capabilities, "memory")?,
        spawner: get(capabilities, "spawner")?,
        first: get(capabilities, "first")?,
        echo: get(capabilities, "echo")?,
        bell: get(capabilities, "bell")?,
    })
}

fn counts(context: &Context) -> Result<(), CallError> {
    context.count("null-enter", 1000, |_| {
        capos_rt::flush();
        Ok(())
    })?;
    context.count("timer-now", 1000, |_| context.timer.now().map(drop))?;
    context.least("console-write-1", 32, || context.sink.write(b"x").map(drop))?;
    let bytes = vec![b'x'; LARGE];
    context.least("console-write-64k", 16, || context.sink.write(&bytes).map(drop))?;
    // What the machine takes while the host keeps up: how long it lets us wait is its own affair.
    let piece = bytes.get(..PIECE_KIB * 1024).unwrap_or_default();
    let pieces = (FLOOD / piece.len().max(1)) as u64;
    context.least_of("stdout-kib", PIECE_KIB as u64, pieces, || context.sink.write(piece).map(drop))?;
    drop(bytes);
    let mut random = [0; 32];
    context.count("random-32", 200, |_| context.random.read(32, &mut random).map(drop))?;
    let mut random = vec![0; LARGE];
    context.count("random-64k", 4, |_| context.random.read(LARGE as u32, &mut random).map(drop))?;
    drop(random);
    calls::counts(context)?;
    typed::counts(context)?;
    notifications::counts(context)?;
    memory::counts(context)?;
    revocation::counts(context)?;
    spawn::counts(context)
}

/// An end of what is counted: the plugin in QEMU notes what it has counted whenever this function is called, and so splits the
/// instructions by ring.
#[inline(never)]
fn edge() {
    core::hint::black_box(());
}

impl Context {
    /// Runs `operation` once, N times and 2N times, and prints the line.
    ///
    /// # Errors
    /// Those of the operation and of writing.
    pub(crate) fn count(
        &self,
        name: &str,
        times: u64,
        mut operation: impl FnMut(u64) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let mut turn = 0;
        let mut run = |times: u64| {
            let start = self.timer.now()?;
            if times > 1 {
                edge();
            }
            for _ in 0..times {
                operation(turn)?;
                turn += 1;
            }
            if times > 1 {
                edge();
            }
            Ok::<_, CallError>(self.timer.now()? - start)
        };
        run(1)?;
        let (once, twice) = (run(times)?, run(2 * times)?);
        self.print(name, times, once, twice)?;
        self.output.write(format!("split {name} {times}\n").as_bytes()).map(drop)
    }

    /// Runs `operation` some times and prints the line of the one that took least: for operations that may have to wait for
    /// the host.
    ///
    /// # Errors
    /// Those of the operation and of writing.
    fn least(
        &self,
        name: &str,
        times: u64,
        operation: impl FnMut() -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.least_of(name, 1, times, operation)
    }

    /// The same for an operation that consists of `parts`: the line says what a part took.
    ///
    /// # Errors
    /// Those of the operation and of writing.
    fn least_of(
        &self,
        name: &str,
        parts: u64,
        times: u64,
        mut operation: impl FnMut() -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let (mut empty, mut least) = (u64::MAX, u64::MAX);
        for _ in 0..times {
            let start = self.timer.now()?;
            let begin = self.timer.now()?;
            operation()?;
            let end = self.timer.now()?;
            empty = empty.min(begin - start);
            least = least.min(end - begin);
        }
        self.print(name, parts, empty, least)
    }

    /// Prints the line of one operation.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn print(&self, name: &str, times: u64, once: u64, twice: u64) -> Result<(), CallError> {
        self.output.write(format!("count {name} {times} {once} {twice}\n").as_bytes()).map(drop)
    }
}
