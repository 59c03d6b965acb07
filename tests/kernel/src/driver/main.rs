//! `driver`: drives the random device, and ends while a request is with it.
//!
//! Booted by the manifest `driver.cue` beside the cases; init starts it again, so that each start finds what the one before it
//! left: a device that may still write into memory.
//!
//! Invariant: the exit code is 2 if the device took the request, and 1 if it could not be had.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::outcome::ExitStatus;
use capos_rt::device::{Chain, Queue, VirtioDevice};
use capos_rt::schema::device::Device;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, process};

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let device: Result<Cap<Device>, _> = capabilities.get("device");
    let memory: Result<Cap<VirtualMemory>, _> = capabilities.get("memory");
    if let (Ok(device), Ok(memory)) = (device, memory) {
        end_within(&device, &memory);
    }
    ExitStatus::exited(1)
}

/// Ends the process with a request in the device's hands; returns if that is impossible.
fn end_within(device: &Cap<Device>, memory: &Cap<VirtualMemory>) -> Option<()> {
    let mut device = VirtioDevice::open(device, memory, 3 * 4096).ok()?;
    device.negotiate(0)?;
    let mut queue: Queue<2> = device.queue(0)?;
    let buffer = device.buffer(64)?;
    device.finish();
    queue.submit(Chain::new().writable(buffer, 64).ok()?).ok()?;
    device.notify(&queue);
    process::exit(ExitStatus::exited(2))
}
