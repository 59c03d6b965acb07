//! `pressure`: writes to a slow host while its own account is full.
//!
//! Booted by the manifest `pressure.cue` beside the cases, with a reader that takes its time, so that writes wait for the
//! device. Uses up its limit, so that nothing more can be charged to it, and writes: the kernel must neither refuse a write
//! whose bytes are on their way nor forget one.
//!
//! Invariant: it ends with exit code 0 only if every write succeeded.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use capos_rt::abi::error::Transport;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// Bytes of a write.
const CHUNK: usize = 32 * 1024;
/// Writes: more than all pipes on the way to the reader hold.
const WRITES: u8 = 64;
/// Sleeps that fill the account at most: what the ring has room for.
const SLEEPS: usize = 24;
/// Derived capabilities that fill the account at most.
const DERIVED: usize = 4096;

fn main(capabilities: &CapSet) -> ExitStatus {
    let (Ok(console), Ok(memory), Ok(timer)) =
        (capabilities.get("stdout"), capabilities.get("memory"), capabilities.get("timer"))
    else {
        return ExitStatus::exited(2);
    };
    ExitStatus::exited(run(&console, &memory, &timer))
}

fn run(console: &Cap<Console>, memory: &Cap<VirtualMemory>, timer: &Cap<Timer>) -> u32 {
    let mut bytes = alloc::vec![0; CHUNK];
    // The runtime's buffer for large messages is made now and kept.
    if console.write(&bytes).is_err() {
        return 3;
    }
    let (mut objects, mut derived, mut sleeps) =
        (Vec::with_capacity(64), Vec::with_capacity(DERIVED), Vec::with_capacity(SLEEPS));
    let mut pages = 1 << 16;
    while pages > 0 && objects.len() < 64 {
        match memory.create_object(pages * 4096) {
            Ok(object) => objects.push(object),
            Err(_) => pages /= 2,
        }
    }
    while let Ok(one) = timer.derive(0)
        && derived.len() < DERIVED
    {
        derived.push(one);
    }
    let is_full = loop {
        let Ok(sleep) = timer.begin_sleep(u64::MAX - 1) else { break false };
        capos_rt::flush();
        if sleep.call().is_complete() {
            break sleep.wait() == Err(Transport::LimitReached.into());
        }
        sleeps.push(sleep);
        if sleeps.len() == SLEEPS {
            break false;
        }
    };
    if !is_full {
        return 4;
    }
    for number in 1..WRITES {
        bytes.fill(number);
        if console.write(&bytes) != Ok(CHUNK as u32) {
            // If this does not come back either, the kernel has forgotten the console.
            drop((objects, derived, sleeps));
            return if console.write(b"still here").is_ok() { 5 } else { 6 };
        }
    }
    0
}
