//! A guest that writes without end: neither `capos` nor its QEMU grows with what it wrote.
//!
//! A row of `checks`. Two runs under the same time limit, one that floods and one that writes a line; the largest memory
//! of each process, as the host's kernel counts it, is compared.
//!
//! Invariant: the flood is many times as large as what the memory may differ by.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::Tools;
use super::pipes::{end, start_with};
use crate::launch::carriers;

/// KiB that a process may need more in one run than in the other.
const DIFFERENCE: u64 = 8 << 10;
/// KiB that the flood must have come to.
const FLOOD: u64 = 8 * DIFFERENCE;
/// The run's own time limit, and the status that it then ends with.
const TIME: [&str; 2] = ["--timeout", "8"];
const CUT: i32 = 142;
const LIMIT: Duration = Duration::from_secs(120);

/// What a run needed, in KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Needed {
    /// The largest memory of `capos`.
    capos: u64,
    /// The largest memory of its QEMU.
    qemu: u64,
    /// What `capos` wrote.
    written: u64,
}

pub(super) fn bounded(tools: &Tools<'_>) -> Result<String, String> {
    let (flood, line) = (needed(tools, "flood.wat")?, needed(tools, "spin.wat")?);
    let told = format!(
        "{} MiB written: capos {} KiB and QEMU {} KiB; with a line: {} KiB and {} KiB",
        flood.written >> 10,
        flood.capos,
        flood.qemu,
        line.capos,
        line.qemu
    );
    let is_seen = line.capos > 0 && line.qemu > 0 && flood.written >= FLOOD && line.written < DIFFERENCE;
    let is_bounded = flood.capos <= line.capos + DIFFERENCE && flood.qemu <= line.qemu + DIFFERENCE;
    match (is_seen, is_bounded) {
        (true, true) => Ok(told),
        (false, _) => Err(format!("nothing was tested: {told}")),
        (true, false) => Err(told),
    }
}

/// Runs a guest until its time is up, its output thrown away.
fn needed(tools: &Tools<'_>, guest: &str) -> Result<Needed, String> {
    let mut started = start_with(tools, &TIME, guest, |_| ())?;
    let own = started.child.id();
    let mut needed = Needed::default();
    let patience = Instant::now() + LIMIT;
    while started.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < patience {
        needed.capos = needed.capos.max(field(own, "status", "VmHWM:"));
        needed.written = needed.written.max(field(own, "io", "wchar:") >> 10);
        for process in carriers(&started.marker) {
            let process = process.as_raw_nonzero().get().unsigned_abs();
            // A process that has not become QEMU yet is still a copy of `capos`.
            if is_qemu(process) {
                needed.qemu = needed.qemu.max(field(process, "status", "VmHWM:"));
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    let (status, told) = end(started, LIMIT)?;
    if status == CUT { Ok(needed) } else { Err(format!("{guest}: status {status}\n{told}")) }
}

fn is_qemu(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.starts_with("qemu-system"))
}

/// The number after a name in a file of `/proc`; 0 when it is not there any more.
fn field(process: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
