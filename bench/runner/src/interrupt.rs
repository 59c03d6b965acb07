//! From the interrupt of a device to the first instruction of its driver behind the wait.
//!
//! Called by `main`; boots `bench/interrupt.cue` with the plugin, which counts from the vector's entry point to ring 3.
//!
//! Invariant: the device answers a millisecond of the machine's time after it was asked: it may give no more bytes in that
//! time. So the driver waits and the machine is idle when the interrupt comes, in every run.

use std::path::Path;

use crate::Counts;
use crate::machine::{Machine, Mark};
use crate::symbols::Program;

/// The vector of the first device, and the distance of entry points: `kernel/hal/src/devices/lines.rs`, `interrupts.rs`.
const VECTOR: u64 = 48;
const STUB_BYTES: u64 = 16;
/// The first interrupts come while pages are touched for the first time, and before the device has given all that it may.
const FIRST: usize = 4;
/// Bytes in a millisecond: those of one request.
const LIMITS: [&str; 2] = ["virtio-rng-device.max-bytes=64", "virtio-rng-device.period=1"];

/// Counts it.
///
/// # Errors
/// The program does not run, or the plugin has seen no interrupt.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let kernel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/capos/lib/capos/kernel.elf.debug");
    let kernel = Program::read(kernel)?;
    let stubs = kernel.function("interrupt_stubs").ok_or("the kernel has no interrupt_stubs")?;
    let address = stubs + VECTOR * STUB_BYTES;
    let marks = [Mark { name: "interrupt", address, code: kernel.code(address) }];
    let limits = LIMITS.map(|limit| format!("--qemu-argument={limit}"));
    let mut words = Vec::new();
    for limit in &limits {
        words.extend(["--qemu-argument=-global", limit.as_str()]);
    }
    words.push("bench/interrupt.cue");
    let ran = machine.run(&words, &marks, false)?;
    let counts = ran.entries.iter().skip(FIRST).map(|(_, count)| *count);
    let most = counts.max().ok_or("the plugin has seen no interrupt of the device")?;
    Ok(Counts::from([("interrupt-to-driver".to_owned(), most as f64)]))
}
