//! `stretch`: how long ring 0 keeps a timer waiting while ten thousand capabilities are revoked.
//!
//! Booted by the manifest `stretch.cue` beside the cases, under QEMU's instruction clock, where an instruction takes one
//! nanosecond. While the revocation is in progress the program sleeps for short times and notes how late it is woken: that
//! is the longest stretch of ring 0 that looked at no timer, and what waking costs. One line tells the numbers.
//!
//! Invariant: nothing is judged here; the check compares the numbers.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// In a chain, and as many again side by side.
const DESCENDANTS: usize = 5_000;
/// Sleeps in flight through the last of the chain.
const SLEEPS: u64 = 8;
/// Nanoseconds of a sleep.
const NAP: u64 = 2_000;

fn main(capabilities: &CapSet) -> ExitStatus {
    let console: Result<Cap<Console>, _> = capabilities.get("stdout");
    let timer: Result<Cap<Timer>, _> = capabilities.get("timer");
    let (Ok(console), Ok(timer)) = (console, timer) else { return ExitStatus::exited(2) };
    ExitStatus::exited(u32::from(measure(&console, &timer).is_err()))
}

fn measure(console: &Cap<Console>, timer: &Cap<Timer>) -> Result<(), CallError> {
    let trunk = timer.derive(Timer::ALL_METHODS)?;
    let mut below: Vec<Cap<Timer>> = Vec::new();
    for _ in 0..DESCENDANTS {
        below.push(below.last().unwrap_or(&trunk).derive(Timer::ALL_METHODS)?);
    }
    let last = below.last().unwrap_or(&trunk);
    let sleeps =
        (0..SLEEPS).map(|one| last.begin_sleep(u64::MAX - 1 - one)).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..DESCENDANTS {
        below.push(trunk.derive(Timer::ALL_METHODS)?);
    }
    let start = timer.now()?;
    let revocation = trunk.begin_revoke()?;
    let (mut naps, mut worst) = (0, 0);
    while !revocation.call().is_complete() {
        let due = timer.now()? + NAP;
        timer.sleep(due)?;
        worst = worst.max(timer.now()? - due);
        naps += 1;
    }
    let took = timer.now()? - start;
    revocation.wait()?;
    let ended = sleeps.into_iter().filter_map(|sleep| sleep.wait().err()).count();
    let dead = below.iter().filter(|one| one.now().is_err()).count();
    let text = format!("dead {dead} sleeps {ended} naps {naps} worst {worst} took {took}\n");
    console.write(text.as_bytes()).map(|_| ())
}
