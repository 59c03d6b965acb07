//! `idle`: sleeps, and nothing else happens in the machine.
//!
//! Booted by the manifest `idle.cue` beside the cases, under QEMU's instruction clock. Before and behind each sleep it touches
//! a page for the first time: that fault is seen from outside, and what happens between two of them. The last line says where
//! the pages are and what the time is at the end.
//!
//! Invariant: nothing is judged here; the check counts.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile};

capos_rt::entry!(main);

const PAGE: u64 = 4096;
/// Nanoseconds of the sleeps. The first is there so that nothing happens for the first time in the others.
const NAPS: [u64; 4] = [1_000_000, 1_000_000, 10_000_000_000, 100_000_000_000];

fn main(capabilities: &CapSet) -> ExitStatus {
    let console: Result<Cap<Console>, _> = capabilities.get("stdout");
    let timer: Result<Cap<Timer>, _> = capabilities.get("timer");
    let memory: Result<Cap<VirtualMemory>, _> = capabilities.get("memory");
    let (Ok(console), Ok(timer), Ok(memory)) = (console, timer, memory) else {
        return ExitStatus::exited(2);
    };
    let line = sleep(&timer, &memory).map(|(pages, end)| format!("pages {pages:x} end {end}\n"));
    let told = line.and_then(|line| console.write(line.as_bytes()).map(drop));
    ExitStatus::exited(u32::from(told.is_err()))
}

/// The address of the pages, and the time at the end.
fn sleep(timer: &Cap<Timer>, memory: &Cap<VirtualMemory>) -> Result<(u64, u64), CallError> {
    let bytes = (NAPS.len() as u64 + 1) * PAGE;
    let pages = memory.reserve(bytes)?;
    memory.commit(pages, bytes)?;
    hostile::store_byte(pages, 1);
    for (nap, page) in NAPS.into_iter().zip(1..) {
        timer.sleep(timer.now()? + nap)?;
        hostile::store_byte(pages + page * PAGE, 1);
    }
    Ok((pages, timer.now()?))
}
