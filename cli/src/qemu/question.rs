//! A QEMU that runs no system: it is asked something and ends.
//!
//! Called by `accelerator::probe` and by the doctor, on the main thread; starts QEMU through `launcher`.
//!
//! Invariant: an answer takes no longer than its limit and no more memory than a bound, whatever QEMU does, and QEMU is gone
//! when it is there.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::qemu::launcher;

/// How often QEMU is looked at.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long the rest of what QEMU said may take to be read once it has ended.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// What QEMU answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// How it ended; none if it had to be ended.
    pub exit: Option<ExitStatus>,
    /// Its standard output, 64 KiB at most.
    pub output: String,
    /// Its standard error, 64 KiB at most.
    pub messages: String,
}

/// Starts QEMU with these arguments and waits for its end, for `limit` at most, or until `is_hopeless` says so of what it has
/// written to standard error.
///
/// # Errors
/// It cannot be started.
pub fn ask(
    program: &Path,
    arguments: &[OsString],
    limit: Duration,
    is_hopeless: impl Fn(&str) -> bool,
) -> std::io::Result<Answer> {
    let mut command = launcher::command(program, arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let output = collect(child.stdout.take());
    let messages = collect(child.stderr.take());
    let exit = wait(&mut child, limit, &messages, is_hopeless);
    // QEMU's end closes both, unless something that it started holds them open; then what came so far has to do.
    output.wait();
    messages.wait();
    Ok(Answer { exit, output: output.so_far(), messages: messages.so_far() })
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
            // The longest list that QEMU prints is a quarter of this; more is no answer.
            if count == 0 || kept.len() > 64 << 10 {
                return;
            }
            kept.extend_from_slice(&buffer[..count]);
        }
    });
    Text { bytes, end }
}

/// Waits for the end; ends QEMU at the limit, or as soon as it says that it cannot go on. None if it had to be ended.
fn wait(
    child: &mut Child,
    limit: Duration,
    messages: &Text,
    is_hopeless: impl Fn(&str) -> bool,
) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(exit)) => return Some(exit),
            Ok(None) if Instant::now() < deadline && !is_hopeless(&messages.so_far()) => {
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
