//! `first`: a process that tells when it began, and ends.
//!
//! Started by `counts`. Its exit code is the low half of the time at its first statement.
//!
//! Invariant: nothing comes before the reading of the clock but the runtime's start and one look into the CapSet.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let timer: Result<Cap<Timer>, _> = capabilities.get("timer");
    let now = timer.ok().and_then(|timer| timer.now().ok());
    ExitStatus::exited(now.unwrap_or(0) as u32)
}
