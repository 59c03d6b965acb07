//! `fairness`: a well-behaved process beside each kind that is not, by the work that it gets done.
//!
//! Booted by the manifest `fairness.cue` beside the cases, under QEMU's instruction clock, where an instruction takes one
//! nanosecond and a run is the same every time. For each neighbour the program starts a worker and then a worker with that
//! neighbour, and compares how many units of work the worker has done in the same time. It
//! starts itself for every role: with `argument` in its CapSet it is what that says ([`roles`]).
//!
//! Invariant: a worker to which anything is refused ends, and then its line says so and the run fails.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod roles;
mod stage;

use alloc::format;
use alloc::string::String;

use capos_rt::CapSet;
use capos_rt::abi::outcome::ExitStatus;
use stage::{Neighbour, Stage};

capos_rt::entry!(main);

/// Each neighbour, and what it is.
const NEIGHBOURS: &[(&str, Neighbour)] = &[
    ("a busy loop", Neighbour::of("spin")),
    ("a busy loop of three times the weight", Neighbour::of("spin").weighing(60)),
    ("a fork bomb", Neighbour::of("fork").spawner().slow()),
    ("a fork bomb that ends its children", Neighbour::of("fork and kill").spawner()),
    ("a memory hog", Neighbour::of("hog")),
    ("a ring flooder", Neighbour::of("flood ring")),
    ("a timer flooder", Neighbour::of("flood timers")),
    ("a capability flooder", Neighbour::of("flood capabilities").slow()),
    ("an endpoint flooder at the same server", Neighbour::of("flood endpoint").served()),
    (
        "endpoint flooders of one share at the same server",
        Neighbour::of("fork callers").served().spawner().slow(),
    ),
    ("an endpoint flooder at a slow server", Neighbour::of("flood endpoint").served_long()),
];

/// Of its fair part of what it does alone a worker does at least so much, in hundredths.
const LEAST: u64 = 90;

fn main(capabilities: &CapSet) -> ExitStatus {
    if let Some(code) = roles::play(capabilities) {
        return ExitStatus::exited(code);
    }
    match Stage::new(capabilities) {
        Some(stage) => ExitStatus::exited(run(&stage)),
        None => ExitStatus::exited(2),
    }
}

/// Prints a line for each neighbour; returns how many were unfair.
fn run(stage: &Stage) -> u32 {
    let mut unfair = 0;
    for (name, neighbour) in NEIGHBOURS {
        let line = match compare(stage, neighbour) {
            Ok((alone, beside, figures)) => {
                let part = beside * 100 / alone.max(1);
                unfair += u32::from(part * 100 < neighbour.fair_part() * LEAST);
                format!("{name}: {part} % of {alone} units{figures}\n")
            }
            Err(told) => {
                unfair += 1;
                format!("{name}: {told}\n")
            }
        };
        stage.print(&line);
    }
    unfair
}

/// Units that the worker has done alone, and beside the neighbour, whose account's figures come last.
fn compare(stage: &Stage, neighbour: &Neighbour) -> Result<(u64, u64, String), String> {
    let (alone, _) = stage.measure(neighbour, false)?;
    let (beside, figures) = stage.measure(neighbour, true)?;
    Ok((alone, beside, figures))
}
