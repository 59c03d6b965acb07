//! `fuzz`: at least 1,000,000 structured submissions from ring 3, each with the answer that is due.
//!
//! Started by `rounds`, with a capability `brief` for a tenth of that. The memory object `seed` holds the seed as text; the same seed
//! repeats the run. Uses the rings by hand; calls the generator of `capos_kernel_suite::fuzz`.
//!
//! Invariant: it ends with exit code 0 only if every answer was the one that was due, everything reachable was reached, and
//! the account is what it was at the start.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
mod torn;

use alloc::format;
use alloc::string::String;
use core::sync::atomic::AtomicU32;

use capos_kernel_suite::fuzz::{Counts, Generator, Known, Places, World};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, Capability, hostile};

capos_rt::entry!(main);

/// Submissions at least, and those of a run that is only there to be compared with.
const SUBMISSIONS: u32 = 1_000_000;
const SUBMISSIONS_BRIEF: u32 = 100_000;
/// The word that is parked on, and its value.
static WORD: AtomicU32 = AtomicU32::new(VALUE);
const VALUE: u32 = 0x600d_cafe;

fn main(capabilities: &CapSet) -> ExitStatus {
    let Ok(console) = capabilities.get::<Console>("stdout") else { return ExitStatus::exited(2) };
    let told = match run(capabilities, &console) {
        Ok(()) => return ExitStatus::exited(0),
        Err(told) => told,
    };
    let _ = console.write(format!("FAILED  {told}\n").as_bytes());
    ExitStatus::exited(1)
}

fn run(capabilities: &CapSet, console: &Cap<Console>) -> Result<(), String> {
    let seed = seed(capabilities)?;
    print(console, &format!("seed {seed}\n"));
    let memory: Cap<VirtualMemory> =
        capabilities.get("memory").map_err(|error| format!("memory: {error}"))?;
    let wanted = if capabilities.entry("brief").is_some() { SUBMISSIONS_BRIEF } else { SUBMISSIONS };
    let mut counts = Counts::default();
    // One round before the measured one: tables grow to the size that they keep.
    round(capabilities, &memory, seed ^ 1, SUBMISSIONS_BRIEF / 10, &mut Counts::default())?;
    let before = usage(&memory)?;
    round(capabilities, &memory, seed, wanted, &mut counts)?;
    let after = usage(&memory)?;
    print(console, &format!("{counts}\n"));
    print(console, &format!("account: {before} bytes before, {after} after\n"));
    if let Some(missing) = counts.missing() {
        return Err(format!("not reached often enough: {missing:?}"));
    }
    if before != after {
        return Err("the account differs: something was kept".into());
    }
    print(console, "every answer was the one that was due\n");
    Ok(())
}

fn print(console: &Cap<Console>, text: &str) {
    // The case misses the line if it cannot be printed.
    let _ = console.write(text.as_bytes());
}

/// The seed that was granted.
fn seed(capabilities: &CapSet) -> Result<u64, String> {
    let object: Cap<MemoryObject> = capabilities.get("seed").map_err(|error| format!("seed: {error}"))?;
    let mut bytes = [0; 24];
    let length = object.info().map_err(|error| format!("seed: {error}"))?.bytes.min(24) as usize;
    object.read(0, length as u32, &mut bytes[..length]).map_err(|error| format!("seed: {error}"))?;
    let text = core::str::from_utf8(&bytes[..length]).map_err(|_| "the seed is not text")?;
    text.trim().parse().map_err(|_| format!("the seed {text:?} is not a number"))
}

/// The bytes that this process is charged for.
fn usage(memory: &Cap<VirtualMemory>) -> Result<u64, String> {
    // Releases go along with the first call; the second one counts.
    let _ = memory.usage();
    Ok(memory.usage().map_err(|error| format!("usage: {error}"))?.committed)
}

/// What the fuzzer starts with.
fn world(capabilities: &CapSet, object: &Cap<MemoryObject>, stale: u32) -> Result<World, String> {
    let known = |name: &str| {
        let entry = capabilities.entry(name).ok_or_else(|| format!("{name} is not granted"))?;
        Ok::<Known, String>(Known {
            handle: entry.handle.0,
            interface: entry.interface,
            methods: entry.methods,
            source: 0,
        })
    };
    let description = MemoryObject::DESCRIPTION;
    let object = Known {
        handle: object.handle().0,
        interface: description.id,
        methods: description.all_methods,
        source: 0,
    };
    let [timer, entropy, memory] = [known("timer")?, known("random")?, known("memory")?];
    let [endpoint, service, orphan] = [known("endpoint")?, known("service")?, known("orphan")?];
    let [notification, dead] = [known("notification")?, known("dead")?];
    let roots = [timer, entropy, memory, object, endpoint, service, orphan, notification, dead];
    Ok(World::new(roots, stale))
}

/// Submits until there were `wanted`, then gives everything back.
fn round(
    capabilities: &CapSet,
    memory: &Cap<VirtualMemory>,
    seed: u64,
    wanted: u32,
    counts: &mut Counts,
) -> Result<(), String> {
    let object = memory.create_object(4096).map_err(|error| format!("create object: {error}"))?;
    let timer: Cap<Timer> = capabilities.get("timer").map_err(|error| format!("timer: {error}"))?;
    let stale = timer.derive(1).map_err(|error| format!("derive: {error}"))?.handle().0;
    let _ = timer.now();
    let places = Places {
        word: (&raw const WORD) as u64,
        value: VALUE,
        read_only: (main as *const () as u64) & !0xfff,
    };
    let world = world(capabilities, &object, stale)?;
    let mut generator = Generator::new(seed, world, places, hostile::layout());
    hostile::resynchronize();
    let result = submit(&mut generator, memory, wanted, counts);
    hostile::resynchronize();
    result
}

fn submit(
    generator: &mut Generator,
    memory: &Cap<VirtualMemory>,
    wanted: u32,
    counts: &mut Counts,
) -> Result<(), String> {
    let mut rings = batch::Rings::new();
    while counts.total() < wanted {
        rings.batch(generator, counts)?;
        if generator.random.once_in(8) {
            torn::disturb(&mut rings, generator, counts)?;
        }
    }
    rings.give_back(generator, memory)
}
