//! `mortal`: the console's driver, but it ends over its fifth call: the first one before it has done anything about it, those
//! after it when the bytes are out and the answer is not.
//!
//! Booted by the manifests `console-*.cue` beside the cases, in the place of the driver that comes with capOS.
//!
//! Invariant: everything but the end is the driver's own code.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::outcome::ExitStatus;
use capos_rt::abi::streams::flag;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::{Cap, CapSet, process};
use capos_virtio_console::failure::Failure;
use capos_virtio_console::serve::{self, Step};

capos_rt::entry!(main);

/// The call over which a driver ends.
const LAST: u32 = 5;

fn main(capabilities: &CapSet) -> Result<(), Failure> {
    let names: Result<Cap<MemoryObject>, _> = capabilities.get("names");
    let mut first = [0];
    let is_read = names.is_ok_and(|names| names.read(0, 1, &mut first).is_ok());
    let end = if is_read && first == [flag(false)] { Step::Received } else { Step::Done };
    let mut calls = 0;
    let served = serve::run(capabilities, |step| {
        calls += u32::from(step == Step::Received);
        if calls == LAST && step == end {
            process::exit(ExitStatus::exited(5));
        }
    });
    match served? {}
}
