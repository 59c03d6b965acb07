//! `asker`: drives the random source, and waits for the interrupt of each answer.
//!
//! Booted by `interrupt.cue`. Nothing else can run meanwhile: the machine is idle when an interrupt comes.
//!
//! Invariant: the exit code is 0 if each request was answered behind its interrupt.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::outcome::ExitStatus;
use capos_rt::device::{Chain, DmaBuffer, Queue, VirtioDevice};
use capos_rt::schema::device::Device;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// Requests.
const ROUNDS: usize = 32;
/// Bytes of a request.
const BYTES: usize = 64;
/// Memory for the device: two pages for the queue, one for the buffer.
const DMA_BYTES: usize = 3 * 4096;

fn main(capabilities: &CapSet) -> ExitStatus {
    let device: Result<Cap<Device>, _> = capabilities.get("device");
    let memory: Result<Cap<VirtualMemory>, _> = capabilities.get("memory");
    let asked = device.ok().zip(memory.ok()).and_then(|(device, memory)| ask(&device, &memory));
    ExitStatus::exited(u32::from(asked.is_none()))
}

fn ask(device: &Cap<Device>, memory: &Cap<VirtualMemory>) -> Option<()> {
    let mut device = VirtioDevice::open(device, memory, DMA_BYTES).ok()?;
    device.negotiate(0)?;
    let mut queue: Queue<2> = device.queue(0)?;
    let mut buffer = device.buffer(BYTES)?;
    device.finish();
    device.acknowledge().ok()?;
    for _ in 0..ROUNDS {
        buffer = request(&mut device, &mut queue, buffer)?;
    }
    Some(())
}

/// One request; returns its buffer.
fn request(device: &mut VirtioDevice<'_>, queue: &mut Queue<2>, buffer: DmaBuffer) -> Option<DmaBuffer> {
    queue.submit(Chain::new().writable(buffer, BYTES).ok()?).ok()?;
    device.notify(queue);
    device.interrupt().wait().ok()?;
    device.acknowledge().ok()?;
    queue.take()?.chain.take(0)
}
