//! `heir`: looks at memory that a dead driver's device was told to write to.
//!
//! Booted by the manifest `heir.cue` beside the cases, in a machine whose random source gives few bytes a second. Starts
//! `crash` as its driver, which maps its memory here as well and ends with a request in the device's hands. From then on the
//! memory is this process's. One line tells what the device did with it.
//!
//! Invariant: it opens no device, so nothing but the end of the driver can have reset it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::device::Device;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile};

capos_rt::entry!(main);

const PAGE: u64 = 4096;
/// Bytes of the memory, and where in its first page the driver's and the device's counts of requests are.
const BYTES: u64 = 16 * PAGE;
const ASKED: u64 = 256 + 2;
const ANSWERED: u64 = 512 + 2;
/// Bytes that the driver may use.
const LIMIT: u64 = 2 << 20;
/// How long the memory is looked at: several times as long as the device holds bytes back.
const NAPS: u64 = 50;
const NAP: u64 = 100_000_000;

struct Context {
    console: Cap<Console>,
    timer: Cap<Timer>,
    memory: Cap<VirtualMemory>,
    spawner: Cap<ProcessSpawner>,
    device: Cap<Device>,
    crash: Cap<MemoryObject>,
}

fn main(capabilities: &CapSet) -> ExitStatus {
    let Some(context) = context(capabilities) else { return ExitStatus::exited(2) };
    let line = look(&context).unwrap_or_else(|error| format!("failed: {error}\n"));
    ExitStatus::exited(u32::from(context.console.write(line.as_bytes()).is_err()))
}

fn context(capabilities: &CapSet) -> Option<Context> {
    fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Option<Cap<T>> {
        capabilities.get(name).ok()
    }
    Some(Context {
        console: get(capabilities, "stdout")?,
        timer: get(capabilities, "timer")?,
        memory: get(capabilities, "memory")?,
        spawner: get(capabilities, "spawner")?,
        device: get(capabilities, "device")?,
        crash: get(capabilities, "crash")?,
    })
}

/// Lets a driver live and die, and tells what becomes of its memory.
fn look(context: &Context) -> Result<String, CallError> {
    let address = PAGE * u64::from(bury(context)?);
    if address == 0 || address > 1 << 40 {
        return Ok(format!("the driver's code is {}\n", address / PAGE));
    }
    let contents = || (0..BYTES).map(|byte| hostile::load(address + byte)).collect::<Vec<u8>>();
    let before = contents();
    let (asked, answered) = (hostile::load(address + ASKED), hostile::load(address + ANSWERED));
    for _ in 0..NAPS {
        context.timer.sleep(context.timer.now()? + NAP)?;
    }
    let changed = contents().iter().zip(&before).filter(|(now, then)| now != then).count();
    Ok(format!("requests {asked} answered {answered} bytes changed {changed}\n"))
}

/// The exit code of a driver: the number of the page at which its memory is here.
fn bury(context: &Context) -> Result<u32, CallError> {
    let name = "ask and die";
    let argument = context.memory.create_object(name.len() as u64)?;
    argument.write(0, name.as_bytes())?;
    argument.seal()?;
    let child = context.spawner.create(name, &context.crash, LIMIT, 0, 0, 0, 0)?;
    let read = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;
    child.process.grant("argument", &argument, read)?;
    child.process.grant("device", &context.device, Device::ALL_METHODS)?;
    child.process.grant("memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child.process.grant("timer", &context.timer, 1 << Timer::NOW)?;
    child.process.grant("keeper", &context.memory, 1 << VirtualMemory::MAP)?;
    child.process.start()?;
    child.process.wait().map(|end| end.code)
}
