//! The trials, one for each capability.
//!
//! Called by `main`. Invariant: no trial depends on how fast the machine is.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Display;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

/// How long the clock is waited for, in nanoseconds: on most machines the other processes have had their say by then, and
/// nothing depends on it.
const PAUSE: u64 = 500_000_000;
/// Bytes of memory that are tried.
const MEMORY_BYTES: u64 = 64 << 10;
/// A trial's end: what is good about it, or what is wrong.
type Outcome = Result<String, String>;

const TRIALS: [fn(&CapSet) -> Outcome; 6] = [console, timer, random, greeting, memory, nothing_else];

/// Runs every trial and prints a line for each.
pub(crate) fn main(capabilities: &CapSet) -> ExitStatus {
    let mut failed = 0;
    for trial in TRIALS {
        let (stream, line) = match trial(capabilities) {
            Ok(good) => ("stdout", format!("[smoke] {good}\n")),
            Err(wrong) => {
                failed += 1;
                ("stderr", format!("[smoke] FAILED: {wrong}\n"))
            }
        };
        let console: Result<Cap<Console>, _> = capabilities.get(stream);
        if console.map(|console| console.write(line.as_bytes())).is_err() {
            failed += 1;
        }
    }
    ExitStatus::exited(u32::from(failed != 0))
}

/// The console takes bytes, and does not end the run.
fn console(capabilities: &CapSet) -> Outcome {
    let console: Cap<Console> = granted(capabilities, "stdout")?;
    refused("Console.finish", console.finish(0, 0, "other", ""), Transport::NoSuchMethod)?;
    Ok("the console is there, and ends no run".to_string())
}

/// The clock goes on, and a sleep ends after its deadline.
fn timer(capabilities: &CapSet) -> Outcome {
    let timer: Cap<Timer> = granted(capabilities, "timer")?;
    let before = done("Timer.now", timer.now())?;
    done("Timer.sleep", timer.sleep(before + PAUSE))?;
    let after = done("Timer.now", timer.now())?;
    expect(after >= before + PAUSE, "a sleep ended before its deadline")?;
    Ok("the clock goes on".to_string())
}

/// Two reads give different bytes.
fn random(capabilities: &CapSet) -> Outcome {
    let random: Cap<EntropySource> = granted(capabilities, "random")?;
    let (mut first, mut second) = ([0; 32], [0; 32]);
    done("EntropySource.read", random.read(32, &mut first))?;
    done("EntropySource.read", random.read(32, &mut second))?;
    expect(first != second, "two reads gave the same bytes")?;
    Ok("random bytes differ".to_string())
}

/// The part of the boot image reads, and cannot be written.
fn greeting(capabilities: &CapSet) -> Outcome {
    let greeting: Cap<MemoryObject> = granted(capabilities, "greeting")?;
    let info = done("MemoryObject.info", greeting.info())?;
    let mut bytes = [0; 256];
    let length = u32::try_from(info.bytes.min(256)).map_err(|error| error.to_string())?;
    let read = done("MemoryObject.read", greeting.read(0, length, &mut bytes))?;
    refused("MemoryObject.write", greeting.write(0, b"x"), Transport::MethodDenied)?;
    let text = core::str::from_utf8(&bytes[..read]).map_err(|error| error.to_string())?;
    Ok(format!("a part of the boot image says: {}", text.trim_end()))
}

/// Memory is reserved, committed and given back; what the manifest leaves out is refused.
fn memory(capabilities: &CapSet) -> Outcome {
    let memory: Cap<VirtualMemory> = granted(capabilities, "memory")?;
    let address = done("VirtualMemory.reserve", memory.reserve(MEMORY_BYTES))?;
    done("VirtualMemory.commit", memory.commit(address, MEMORY_BYTES))?;
    done("VirtualMemory.unmap", memory.unmap(address, MEMORY_BYTES))?;
    let usage = done("VirtualMemory.usage", memory.usage())?;
    expect(usage.committed <= usage.limit, "more memory is committed than the limit")?;
    refused("VirtualMemory.createObject", memory.create_object(4096), Transport::MethodDenied)?;
    Ok("memory comes and goes".to_string())
}

/// The CapSet holds what the manifest lists, and nothing else.
fn nothing_else(capabilities: &CapSet) -> Outcome {
    let count = capabilities.entries().count();
    expect(count == 6, &format!("{count} capabilities were granted, the manifest lists 6"))?;
    let spawner: Result<Cap<ProcessSpawner>, _> = capabilities.get("spawner");
    expect(spawner.is_err(), "there is a spawner that the manifest does not list")?;
    Ok("nothing else is granted".to_string())
}

fn granted<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
    capabilities.get(name).map_err(|error| format!("{name}: {error}"))
}

fn done<T, E: Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn expect(is_so: bool, told: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(told.to_string()) }
}

/// The call has to be refused for this reason.
fn refused<T>(what: &str, result: Result<T, CallError>, reason: Transport) -> Result<(), String> {
    match result {
        Err(CallError::Transport(found)) if found == reason => Ok(()),
        Err(other) => Err(format!("{what} was refused as \"{other}\", not as \"{reason}\"")),
        Ok(_) => Err(format!("{what} was not refused")),
    }
}
