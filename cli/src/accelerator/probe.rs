//! Runs the guest of `boot/probe` under an accelerator and tells how far it came.
//!
//! Called by `accelerator`; starts QEMU through `qemu::question`.
//!
//! Invariant: it takes no longer than its limit, whatever QEMU does, and QEMU is gone when it returns.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use crate::accelerator::Verdict;
use crate::outcome::one_line;
use crate::qemu::machine::{Accelerator, MEBIBYTE, Machine, machine_arguments};
use crate::qemu::question::ask;

/// How long the probe may take. It takes 0.1 s where it works.
pub const LIMIT: Duration = Duration::from_secs(5);
/// QEMU's exit status after the guest has written 0x2a, its word for success, to isa-debug-exit.
const SUCCESS: i32 = (0x2a << 1) | 1;
const MEMORY_BYTES: u64 = 32 * MEBIBYTE;
/// What QEMU says when KVM cannot go on; it then waits for a debugger.
const STUCK_WORD: &str = "KVM internal error";
/// The letters that the guest writes before its steps.
const STEPS: [(char, &str); 7] = [
    ('L', "long mode"),
    ('X', "FXSAVE and XSAVE"),
    ('K', "a page fault in ring 0"),
    ('U', "ring 3"),
    ('S', "SYSCALL"),
    ('P', "a page fault in ring 3"),
    ('D', "the end"),
];

/// Runs the guest.
#[must_use]
pub fn run(emulator: &Path, guest: &Path, accelerator: Accelerator, limit: Duration) -> Verdict {
    let name = accelerator.word();
    let verdict = |works, reason| Verdict { works, reason };
    let mut arguments = machine_arguments(Machine::Microvm, accelerator, MEMORY_BYTES);
    let devices = "-chardev stdio,id=log,signal=off -device isa-debugcon,iobase=0xe9,chardev=log -kernel";
    arguments.extend(devices.split(' ').map(OsString::from));
    arguments.push(guest.into());
    let answer = match ask(emulator, &arguments, limit, |messages| messages.contains(STUCK_WORD)) {
        Ok(answer) => answer,
        Err(error) => return verdict(false, format!("{name}: QEMU cannot be started: {error}")),
    };
    let step = step_of(&answer.output);
    let said = answer.messages.lines().next().unwrap_or("").trim();
    let how = match answer.exit.map(|exit| (exit.code(), exit.signal())) {
        Some((Some(SUCCESS), _)) => return verdict(true, format!("{name}: the probe ran to its end")),
        Some((Some(code), _)) => format!("ended with status {code}"),
        Some((None, signal)) => format!("was ended by signal {}", signal.unwrap_or(0)),
        None => "hangs".to_owned(),
    };
    let reason = if said.is_empty() { String::new() } else { format!(": {}", one_line(said)) };
    verdict(false, format!("{name}: the probe {how} at {step}{reason}"))
}

/// The step that the last letter announces.
fn step_of(letters: &str) -> &'static str {
    let last = letters.chars().rev().find_map(|letter| STEPS.iter().find(|step| step.0 == letter));
    last.map_or("its start", |step| step.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_letter_names_the_step() {
        assert_eq!(step_of(""), "its start");
        assert_eq!(step_of("LXK"), "a page fault in ring 0");
        assert_eq!(step_of("LXKU"), "ring 3");
        assert_eq!(step_of("LXKUSP"), "a page fault in ring 3");
        assert_eq!(step_of("LXKUS?"), "SYSCALL");
    }
}
