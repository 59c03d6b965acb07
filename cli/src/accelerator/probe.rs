//! Runs the guest of `boot/probe` under an accelerator and tells how far it came.
//!
//! Called by `accelerator`; starts QEMU through `qemu::launcher`.
//!
//! Invariant: it takes no longer than its limit, whatever QEMU does, and QEMU is gone when it returns.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::accelerator::Verdict;
use crate::outcome::one_line;
use crate::qemu::launcher;
use crate::qemu::machine::{Accelerator, MEBIBYTE, Machine, machine_arguments};

/// How long the probe may take. It takes 0.1 s where it works.
pub const LIMIT: Duration = Duration::from_secs(5);
/// QEMU's exit status after the guest has written 0x2a, its word for success, to isa-debug-exit.
const SUCCESS: i32 = (0x2a << 1) | 1;
const MEMORY_BYTES: u64 = 32 * MEBIBYTE;
/// How often QEMU is looked at.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long the rest of what QEMU said may take to be read once it has ended.
const READ_LIMIT: Duration = Duration::from_secs(1);
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
    let mut command = launcher::command(emulator, &arguments);
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return verdict(false, format!("{name}: QEMU cannot be started: {error}")),
    };
    let letters = collect(child.stdout.take());
    let messages = collect(child.stderr.take());
    let exit = wait(&mut child, limit, &messages);
    // QEMU's end closes both, unless something that it started holds them open; then what came so far has to do.
    letters.wait();
    messages.wait();
    let step = step_of(&letters.so_far());
    let said = messages.so_far().lines().next().unwrap_or("").trim().to_owned();
    let how = match exit.map(|exit| (exit.code(), exit.signal())) {
        Some((Some(SUCCESS), _)) => return verdict(true, format!("{name}: the probe ran to its end")),
        Some((Some(code), _)) => format!("ended with status {code}"),
        Some((None, signal)) => format!("was ended by signal {}", signal.unwrap_or(0)),
        None => "hangs".to_owned(),
    };
    let reason = if said.is_empty() { String::new() } else { format!(": {}", one_line(&said)) };
    verdict(false, format!("{name}: the probe {how} at {step}{reason}"))
}

/// What a thread has read so far.
struct Text {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Text {
    fn so_far(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until all is read, but not long.
    fn wait(&self) {
        // The sender sends nothing: it is dropped when all is read.
        let _ = self.end.recv_timeout(READ_LIMIT);
    }
}

fn collect(source: Option<impl Read + Send + 'static>) -> Text {
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let shared = bytes.clone();
    let (sender, end) = channel();
    thread::spawn(move || {
        let _sender = sender;
        let Some(mut source) = source else { return };
        let mut buffer = [0; 1024];
        while let Ok(count) = source.read(&mut buffer) {
            let mut kept = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // A probe says a few letters; more than this is not worth keeping.
            if count == 0 || kept.len() > 64 << 10 {
                return;
            }
            kept.extend_from_slice(&buffer[..count]);
        }
    });
    Text { bytes, end }
}

/// Waits for the end; ends QEMU at the limit, or as soon as it says that it cannot go on. None if it had to be ended.
fn wait(child: &mut Child, limit: Duration, messages: &Text) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(exit)) => return Some(exit),
            Ok(None) if Instant::now() < deadline && !messages.so_far().contains(STUCK_WORD) => {
                thread::sleep(INTERVAL);
            }
            Ok(None) | Err(_) => break,
        }
    }
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
    None
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
        assert_eq!(step_of("LXKU"), "ring 3");
        assert_eq!(step_of("LXKUS?"), "SYSCALL");
    }
}
