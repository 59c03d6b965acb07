//! Runs `capos` once, under a hard limit, and brings back all that it showed.
//!
//! Called by `judge` and by the checks; calls the operating system.
//!
//! Invariant: when a run has come back nothing of it is left: what outlives `capos` is ended here and reported.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Exit status; a signal's number plus 128.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: Vec<u8>,
    /// The kernel's log, if it was asked for.
    pub(crate) log: String,
    /// The outcome file, if it was asked for and written.
    pub(crate) outcome: Option<serde_json::Value>,
}

impl Shown {
    /// Standard output as text; bytes that are no UTF-8 are marked.
    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// How the kernel's last words begin when it panics.
pub(crate) const PANIC: &str = "[kernel] panic";

/// The marker in the environment by which all processes of one run are known.
pub(crate) const MARKER: &str = "CAPOS_SUITES_RUN";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A marker value that no other run has.
pub(crate) fn fresh_marker() -> String {
    format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs `capos` as the command says, with `stdin` as its input, or none.
///
/// # Errors
/// It could not be started, it passed the limit, or it left a process behind.
pub(crate) fn capos(command: &mut Command, stdin: Option<&str>, limit: Duration) -> Result<Shown, String> {
    let marker = fresh_marker();
    command
        .env(MARKER, &marker)
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child =
        command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        let text = text.to_owned();
        thread::spawn(move || pipe.write_all(text.as_bytes()));
    }
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, Instant::now() + limit);
    let left = leftovers(&marker);
    for process in &left {
        let _ = kill_process(*process, Signal::KILL);
    }
    let rest = Duration::from_secs(5);
    let shown = Shown {
        status: status.unwrap_or(-1),
        stdout: stdout.recv_timeout(rest).unwrap_or_default(),
        stderr: stderr.recv_timeout(rest).unwrap_or_default(),
        log: String::new(),
        outcome: None,
    };
    if status.is_none() {
        return Err(format!("still running after {} s; ended\n{}", limit.as_secs(), tail(&shown)));
    }
    if !left.is_empty() {
        return Err(format!("{} process(es) outlived capos\n{}", left.len(), tail(&shown)));
    }
    Ok(shown)
}

/// What a failed run printed last, for its report.
pub(crate) fn tail(shown: &Shown) -> String {
    format!("stdout: {:?}\nstderr: {:?}", last(&shown.stdout_text()), last(&shown.stderr_text()))
}

fn last(text: &str) -> String {
    let from = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

/// The last lines of a kernel's log.
pub(crate) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// Reads a pipe to its end on a thread of its own.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// Waits for the end; past the deadline the whole process group is ended, and there is no status.
pub(crate) fn wait(child: &mut Child, deadline: Instant) -> Option<i32> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => {
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return None;
            }
        }
    }
}

/// Processes that still carry the marker, after a moment in which those that are just ending may end.
pub(crate) fn leftovers(marker: &str) -> Vec<Pid> {
    let patience = Instant::now() + Duration::from_secs(1);
    loop {
        let found = carriers(marker);
        if found.is_empty() || Instant::now() >= patience {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Processes that carry the marker now; those that have ended and were not waited for do not count.
pub(crate) fn carriers(marker: &str) -> Vec<Pid> {
    let wanted = format!("{MARKER}={marker}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|process| {
            fs::read(PathBuf::from(format!("/proc/{process}/environ")))
                .is_ok_and(|text| text.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
        })
        .filter_map(Pid::from_raw)
        .collect()
}
