//! `sleeper`: sleeps until one point in time after another.
//!
//! Booted by `sleep.cue`. Nothing else can run meanwhile: the machine is idle when the time has come.
//!
//! Invariant: the exit code is 0 if it woke from each sleep.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// Sleeps.
const ROUNDS: usize = 32;
/// Nanoseconds of a sleep.
const NAP: u64 = 1_000_000;

fn main(capabilities: &CapSet) -> ExitStatus {
    let Ok(timer) = capabilities.get("timer") else { return ExitStatus::exited(2) };
    ExitStatus::exited(u32::from(sleep(&timer).is_err()))
}

fn sleep(timer: &Cap<Timer>) -> Result<(), CallError> {
    for _ in 0..ROUNDS {
        timer.sleep(timer.now()? + NAP)?;
    }
    Ok(())
}
