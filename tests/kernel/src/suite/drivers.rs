//! Drivers: interrupts, and what becomes of a device whose driver ends.
//!
//! Called by `main`. Starts `crash` as the driver of the machine's random source.
//!
//! Invariant: after each test the device has no driver.

use alloc::string::String;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::device_memory::DeviceMemory;
use capos_rt::schema::dma_memory::DmaMemory;
use capos_rt::schema::interrupt::Interrupt;
use capos_rt::schema::notification::Notification;
use capos_rt::{Cap, hostile};

use crate::child::{self, Child, end};
use crate::context::Context;
use crate::devices::grant_device;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::service::{self, CARRIES};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "driver",
        &[
            ("it waits for interrupts", by_wait),
            ("its interrupts set bits", by_notification),
            ("without an acknowledgement nothing comes", unacknowledged),
            ("it ends with the device open", open_and_exit),
            ("it ends with registers mapped", map_and_exit),
            ("it ends with a request at the device", request_in_flight),
            ("it ends with an interrupt that it was not told of", interrupt_and_exit),
            ("it is killed while it waits", killed),
            ("what it gave away reaches nothing behind its end", handed_on),
            ("it reads behind its registers", past_registers),
            ("drivers come and go, and frames do not", come_and_go),
        ],
    );
}

const PAGE: u64 = 4096;

fn start(context: &Context, way: &str) -> Result<Child, String> {
    let child = child::create(context, way)?;
    grant_device(context, &child)?;
    Ok(child)
}

/// The driver ends with 0, and the device can be driven again.
fn ends_well(context: &Context, way: &str) -> Outcome {
    let child = start(context, way)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    done("open", context.device.open()).map(drop)
}

fn by_wait(context: &Context) -> Outcome {
    ends_well(context, "drive by wait")
}

fn unacknowledged(context: &Context) -> Outcome {
    ends_well(context, "do not acknowledge")
}

fn open_and_exit(context: &Context) -> Outcome {
    ends_well(context, "open and exit")
}

fn map_and_exit(context: &Context) -> Outcome {
    ends_well(context, "map and exit")
}

fn interrupt_and_exit(context: &Context) -> Outcome {
    ends_well(context, "interrupt and exit")
}

fn by_notification(context: &Context) -> Outcome {
    let child = start(context, "drive by notification")?;
    let notification = done("create", context.spawner.create_notification())?;
    child::grant(&child, "notification", &notification, Notification::ALL_METHODS)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    done("open", context.device.open()).map(drop)
}

/// The memory that the device was told to write is the suite's next: nothing is written into it.
fn request_in_flight(context: &Context) -> Outcome {
    ends_well(context, "request and exit")?;
    let opened = done("open", context.device.open())?;
    let memory = done("allocate", context.device.allocate(16 * PAGE))?;
    let address = done("map", memory.map(&context.memory))?;
    for byte in (0..16 * PAGE).step_by(8) {
        equal("byte", hostile::load(address + byte), 0)?;
    }
    let deadline = done("now", context.timer.now())? + 50_000_000;
    done("sleep", context.timer.sleep(deadline))?;
    for byte in 0..16 * PAGE {
        if hostile::load(address + byte) != 0 {
            return Err(alloc::format!("the device wrote at {byte:#x}"));
        }
    }
    done("unmap", context.memory.unmap(address, 16 * PAGE))?;
    drop(opened);
    Ok(())
}

fn killed(context: &Context) -> Outcome {
    let child = start(context, "open and wait")?;
    let ready = done("create", context.spawner.create_notification())?;
    child::grant(&child, "ready", &ready, 1 << Notification::SIGNAL)?;
    done("start", child.process.start())?;
    done("ready", ready.wait(1))?;
    check(context.device.open().is_err(), "the device has no driver")?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("killed", 0))?;
    done("open", context.device.open()).map(drop)
}

/// Others may hold its registers and its interrupt, and can do nothing with them; its memory is theirs then.
fn handed_on(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let child = start(context, "hand on and exit")?;
    child::grant(&child, "service", &service.root, Probe::ALL_METHODS)?;
    done("start", child.process.start())?;
    let received = service.receive(CARRIES)?;
    let missing = "a capability did not come";
    let registers: Cap<DeviceMemory> = received.incoming.take(0).ok_or(missing)?;
    let interrupt: Cap<Interrupt> = received.incoming.take(1).ok_or(missing)?;
    let memory: Cap<DmaMemory> = received.incoming.take(2).ok_or(missing)?;
    done("info", registers.info())?;
    exception("map", registers.map(&context.memory), Exception::Failed)?;
    received.reply(b"", &[])?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    refused("info", registers.info().map(drop), Transport::Disconnected)?;
    refused("map", registers.map(&context.memory), Transport::Disconnected)?;
    refused("wait", interrupt.wait(), Transport::Disconnected)?;
    refused("acknowledge", interrupt.acknowledge(), Transport::Disconnected)?;
    let opened = done("open", context.device.open())?;
    let other = done("allocate", context.device.allocate(PAGE))?;
    let place = |memory: &Cap<DmaMemory>| done("info", memory.info()).map(|info| info.address);
    check(place(&other)? != place(&memory)?, "memory that is held was given out again")?;
    drop(opened);
    Ok(())
}

fn past_registers(context: &Context) -> Outcome {
    let child = start(context, "past the registers")?;
    done("start", child.process.start())?;
    let reply = child::wait(&child)?;
    equal("end", end(&reply).0, "fault")?;
    done("open", context.device.open()).map(drop)
}

fn come_and_go(context: &Context) -> Outcome {
    for _ in 0..12 {
        ends_well(context, "request and exit")?;
    }
    Ok(())
}
