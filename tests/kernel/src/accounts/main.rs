//! `accounts`: what is promised to a process is kept, and what it has used up it has not, whatever others do.
//!
//! Booted by the manifest `accounts.cue` beside the cases, under QEMU's instruction clock, on a machine that states its memory.
//! Each scene makes processes with limits of their own, and says in one line what came of it, in numbers that the check
//! `accounts` judges. It starts itself for every role: with `argument` in its CapSet it is what that says ([`roles`]).
//!
//! Invariant: each scene starts and ends with nobody else there.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod roles;
mod scenes;
mod stage;

use alloc::format;

use capos_rt::CapSet;
use capos_rt::abi::outcome::ExitStatus;
use stage::Stage;

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    if let Some(code) = roles::play(capabilities) {
        return ExitStatus::exited(code);
    }
    let Some(stage) = Stage::new(capabilities) else { return ExitStatus::exited(2) };
    let mut failed = 0;
    for (name, scene) in scenes::ALL {
        let line = match scene(&stage) {
            Ok(said) => format!("{name}: {said}\n"),
            Err(told) => {
                failed += 1;
                format!("{name} failed: {told}\n")
            }
        };
        stage.print(&line);
    }
    ExitStatus::exited(failed)
}
