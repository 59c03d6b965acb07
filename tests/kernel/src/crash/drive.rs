//! The ways to drive a device: drivers for tests, good ones and bad ones.
//!
//! Called by `main`; they have the Device `device`, which is a random source, `memory` and `timer` in their CapSet.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::device::{Chain, Queue, Registers, VirtioDevice};
use capos_rt::schema::device::Device;
use capos_rt::schema::notification::Notification;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{Outgoing, Room};
use capos_rt::{Cap, CapSet, Deadline, flush, hostile};

/// Bytes for queues and buffers.
const DMA_BYTES: usize = 64 * 1024;
/// Bytes of a request.
const REQUEST: usize = 64;
/// How long nothing is waited for, in nanoseconds.
const PATIENCE: u64 = 20_000_000;

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("drive by wait", |capabilities| code(by_wait(capabilities))),
        ("drive by notification", |capabilities| code(by_notification(capabilities))),
        ("do not acknowledge", |capabilities| code(unacknowledged(capabilities))),
        ("open and exit", |capabilities| code(open_and_exit(capabilities))),
        ("map and exit", |capabilities| code(map_and_exit(capabilities))),
        ("request and exit", |capabilities| code(request_and_exit(capabilities))),
        ("interrupt and exit", |capabilities| code(interrupt_and_exit(capabilities))),
        ("open and wait", |capabilities| code(open_and_wait(capabilities))),
        ("past the registers", |capabilities| code(past_registers(capabilities))),
        ("open what is driven", |capabilities| code(open_driven(capabilities))),
        ("hand on and exit", |capabilities| code(hand_on(capabilities))),
        ("ask and die", crate::by_hand::ask_and_die),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

/// What is not as it must be, as an exit code.
type Told = Result<(), u32>;

fn code(told: Told) -> u32 {
    told.err().unwrap_or(0)
}

/// The error of a call, as an exit code.
fn told(error: CallError) -> u32 {
    1000 + error.result().unsigned_abs()
}

struct Held {
    device: Cap<Device>,
    memory: Cap<VirtualMemory>,
    timer: Cap<Timer>,
}

fn held(capabilities: &CapSet) -> Result<Held, u32> {
    Ok(Held {
        device: capabilities.get("device").map_err(|_| 1u32)?,
        memory: capabilities.get("memory").map_err(|_| 2u32)?,
        timer: capabilities.get("timer").map_err(|_| 3u32)?,
    })
}

/// A random source, set up.
fn source(held: &Held) -> Result<(VirtioDevice<'_>, Queue<2>), u32> {
    let mut device = VirtioDevice::open(&held.device, &held.memory, DMA_BYTES).map_err(told)?;
    device.negotiate(0).ok_or(10u32)?;
    let queue = device.queue::<2>(0).ok_or(11u32)?;
    device.finish();
    Ok((device, queue))
}

/// Asks for random bytes.
fn request(device: &mut VirtioDevice<'_>, queue: &mut Queue<2>) -> Told {
    let buffer = device.buffer(REQUEST).ok_or(20u32)?;
    let chain = Chain::new().writable(buffer, REQUEST).map_err(|_| 21u32)?;
    queue.submit(chain).map_err(|_| 22u32)?;
    device.notify(queue);
    Ok(())
}

/// Takes what has come, and looks at it.
fn take(queue: &mut Queue<2>) -> Told {
    let mut completed = queue.take().ok_or(30u32)?;
    let written = completed.written;
    let buffer = completed.chain.take(0).ok_or(31u32)?;
    let bytes = buffer.bytes().get(..written).ok_or(32u32)?;
    if bytes.len() >= 16 && bytes.iter().any(|byte| *byte != 0) { Ok(()) } else { Err(33) }
}

fn by_wait(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let (mut device, mut queue) = source(&held)?;
    device.acknowledge().map_err(told)?;
    for _ in 0..3 {
        request(&mut device, &mut queue)?;
        device.interrupt().wait().map_err(told)?;
        device.acknowledge().map_err(told)?;
        take(&mut queue)?;
    }
    Ok(())
}

fn by_notification(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let notification: Cap<Notification> = capabilities.get("notification").map_err(|_| 4u32)?;
    let (mut device, mut queue) = source(&held)?;
    let no_bits = device.interrupt().bind(&notification, 0);
    if no_bits != Err(CallError::Exception(Exception::InvalidArgument)) {
        return Err(5);
    }
    let waits = notification.derive(1 << Notification::WAIT).map_err(told)?;
    if device.interrupt().bind(&waits, 1) != Err(CallError::Transport(Transport::MethodDenied)) {
        return Err(6);
    }
    device.interrupt().bind(&notification, 0b100).map_err(told)?;
    device.acknowledge().map_err(told)?;
    for _ in 0..3 {
        request(&mut device, &mut queue)?;
        if notification.wait(u64::MAX).map_err(told)? != 0b100 {
            return Err(7);
        }
        device.acknowledge().map_err(told)?;
        take(&mut queue)?;
    }
    Ok(())
}

/// Nothing comes before the first acknowledgement, and nothing after an interrupt before the next.
fn unacknowledged(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let (mut device, mut queue) = source(&held)?;
    request(&mut device, &mut queue)?;
    nothing_comes(&held, &device)?;
    device.acknowledge().map_err(told)?;
    // It may have been taken from the device by the acknowledgement; then the next request brings another.
    let _ = queue.take();
    request(&mut device, &mut queue)?;
    device.interrupt().wait().map_err(told)?;
    request(&mut device, &mut queue)?;
    nothing_comes(&held, &device)?;
    if device.interrupt().begin_wait().map_err(told).map(|wait| {
        flush();
        let second = device.interrupt().wait();
        drop(wait);
        second
    })? != Err(CallError::Exception(Exception::Overloaded))
    {
        return Err(40);
    }
    Ok(())
}

fn nothing_comes(held: &Held, device: &VirtioDevice<'_>) -> Told {
    let deadline = held.timer.now().map_err(told)? + PATIENCE;
    let wait = device.interrupt().begin_wait().map_err(told)?;
    match wait.wait_until(Deadline::at(&held.timer, deadline)) {
        Err(CallError::Transport(Transport::Cancelled)) => Ok(()),
        Ok(()) => Err(41),
        Err(error) => Err(told(error)),
    }
}

fn open_and_exit(capabilities: &CapSet) -> Told {
    held(capabilities)?.device.open().map(core::mem::forget).map_err(told)
}

fn map_and_exit(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let opened = held.device.open().map_err(told)?;
    let registers = Registers::map(&held.memory, &opened.registers).map_err(told)?;
    registers.read_u32(0).ok_or(50u32)?;
    core::mem::forget((opened, registers));
    Ok(())
}

/// Ends while the device has a request that it has not answered, or has just answered.
fn request_and_exit(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let (mut device, mut queue) = source(&held)?;
    request(&mut device, &mut queue)?;
    core::mem::forget((device, queue));
    Ok(())
}

/// Ends with an interrupt that it was not told of.
fn interrupt_and_exit(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let (mut device, mut queue) = source(&held)?;
    device.acknowledge().map_err(told)?;
    request(&mut device, &mut queue)?;
    let deadline = held.timer.now().map_err(told)? + PATIENCE;
    held.timer.sleep(deadline).map_err(told)?;
    core::mem::forget((device, queue));
    Ok(())
}

/// Opens the device, says so, and waits for an interrupt that does not come.
fn open_and_wait(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let ready: Cap<Notification> = capabilities.get("ready").map_err(|_| 4u32)?;
    let opened = held.device.open().map_err(told)?;
    let wait = opened.interrupt.begin_wait().map_err(told)?;
    ready.signal(1).map_err(told)?;
    wait.wait().map_err(told)
}

/// Reads the first byte behind the mapped registers.
fn past_registers(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let opened = held.device.open().map_err(told)?;
    let info = opened.registers.info().map_err(told)?;
    let address = opened.registers.map(&held.memory).map_err(told)?;
    let _ = hostile::load(address + u64::from(info.registers));
    let _ = hostile::load(address + info.bytes);
    Err(60)
}

/// Somebody else drives it.
fn open_driven(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let failed = CallError::Exception(Exception::Failed);
    if held.device.open().err() != Some(failed) {
        return Err(62);
    }
    if held.device.allocate(4096).err() != Some(failed) {
        return Err(63);
    }
    if held.device.reset() != Err(failed) { Err(64) } else { Ok(()) }
}

/// Gives registers, interrupt and memory away with a call, and ends behind the answer.
fn hand_on(capabilities: &CapSet) -> Told {
    let held = held(capabilities)?;
    let service: Cap<Probe> = capabilities.get("service").map_err(|_| 4u32)?;
    let opened = held.device.open().map_err(told)?;
    let memory = held.device.allocate(4096).map_err(told)?;
    let sent =
        [Outgoing::Move(&opened.registers), Outgoing::Move(&opened.interrupt), Outgoing::Move(&memory)];
    service.call_untyped(0, b"", &sent, Room { bytes: 0, capabilities: 0 }).map_err(told)?;
    core::mem::forget((opened, memory));
    Ok(())
}
