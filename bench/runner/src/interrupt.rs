//! From an interrupt to the first instruction of who waited for it: of a device to its driver, and of the timer to a sleeper.
//!
//! Called by `main`; boots `bench/interrupt.cue` and `bench/sleep.cue` with the plugin, which counts from the vector's entry
//! point to ring 3.
//!
//! Invariant: the machine is idle when the interrupt comes, in every run: the device answers a millisecond of the machine's time
//! after it was asked, since it may give no more bytes in that time, and nobody but the sleeper runs.

use std::path::Path;

use crate::Counts;
use crate::machine::{Machine, Mark};
use crate::symbols::Program;

/// The vectors of the first device and of the timer, and the distance of entry points: `kernel/hal/src/devices/lines.rs`,
/// `interrupts.rs`.
const DEVICE_VECTOR: u64 = 48;
const TIMER_VECTOR: u64 = 32;
const STUB_BYTES: u64 = 16;
/// The first interrupts come while pages are touched for the first time, and before the device has given all that it may.
const FIRST: usize = 4;
/// Bytes in a millisecond: those of one request.
const LIMITS: [&str; 2] = ["virtio-rng-device.max-bytes=64", "virtio-rng-device.period=1"];

/// Counts both.
///
/// # Errors
/// A program does not run, or the plugin has seen no interrupt.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let limits = LIMITS.map(|limit| format!("--qemu-argument={limit}"));
    let mut words = Vec::new();
    for limit in &limits {
        words.extend(["--qemu-argument=-global", limit.as_str()]);
    }
    words.push("bench/interrupt.cue");
    let device = slowest(machine, DEVICE_VECTOR, &words)?;
    let timer = slowest(machine, TIMER_VECTOR, &["bench/sleep.cue"])?;
    Ok(Counts::from([("interrupt-to-driver".to_owned(), device), ("timer-wake".to_owned(), timer)]))
}

/// The most instructions from an interrupt of this vector to ring 3.
fn slowest(machine: &Machine, vector: u64, words: &[&str]) -> Result<f64, String> {
    let kernel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/capos/lib/capos/kernel.elf.debug");
    let kernel = Program::read(kernel)?;
    let stubs = kernel.function("interrupt_stubs").ok_or("the kernel has no interrupt_stubs")?;
    let address = stubs + vector * STUB_BYTES;
    let marks = [Mark { name: "interrupt", address, code: kernel.code(address) }];
    let ran = machine.run(words, &marks, false)?;
    let counts = ran.entries.iter().skip(FIRST).map(|(_, count)| *count);
    let most = counts.max().ok_or_else(|| format!("the plugin has seen no interrupt {vector}"))?;
    Ok(most as f64)
}
