//! `clock`: compares the monotonic clock with a loop of known length.
//!
//! Booted by the manifest `clock.cue` beside the cases, under QEMU's instruction clock, where an instruction takes one
//! nanosecond. Prints a line for each loop: its instructions, and the nanoseconds that the Timer says it took.
//!
//! Invariant: nothing is judged here; the check compares the numbers.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, CapSet, hostile};

capos_rt::entry!(main);

/// Rounds of the loops, of two instructions each.
const ROUNDS: [u64; 3] = [5_000_000, 20_000_000, 60_000_000];

fn main(capabilities: &CapSet) -> ExitStatus {
    let console: Result<Cap<Console>, _> = capabilities.get("stdout");
    let timer: Result<Cap<Timer>, _> = capabilities.get("timer");
    let (Ok(console), Ok(timer)) = (console, timer) else { return ExitStatus::exited(2) };
    let lines = ROUNDS.iter().map(|rounds| line(&console, &timer, *rounds));
    ExitStatus::exited(u32::from(lines.filter(Result::is_err).count() != 0))
}

fn line(console: &Cap<Console>, timer: &Cap<Timer>, rounds: u64) -> Result<(), CallError> {
    let start = timer.now()?;
    hostile::count_down(rounds);
    let end = timer.now()?;
    let text = format!("{} instructions in {} nanoseconds\n", 2 * rounds, end.saturating_sub(start));
    console.write(text.as_bytes()).map(|_| ())
}
