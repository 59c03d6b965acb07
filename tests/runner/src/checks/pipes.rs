//! The host's side of the streams: closed pipes, signals, full disks, one file for both, slow readers.
//!
//! Rows of `checks`. Start `capos` themselves, with descriptors of their own; `crowd` and `flood` do it the same way.
//!
//! Invariant: every run ends within its limit and leaves no process behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Tools;
use crate::launch::{MARKER, fresh_marker, leftovers, wait};

/// No run here may take longer.
const LIMIT: Duration = Duration::from_secs(60);
/// A run that is ended from outside must be gone after this.
const PROMPT: Duration = Duration::from_secs(5);

/// A started `capos run`, with the marker by which its processes are known.
pub(super) struct Started {
    /// `capos`.
    pub(super) child: Child,
    /// The value of [`MARKER`] in the environment of all of them.
    pub(super) marker: String,
}

/// Starts `capos run` on a guest of the system tests; words that `change` adds are the guest's.
fn start(tools: &Tools<'_>, guest: &str, change: impl FnOnce(&mut Command)) -> Result<Started, String> {
    start_with(tools, &[], guest, change)
}

/// The same with more options of `capos run`.
pub(super) fn start_with(
    tools: &Tools<'_>,
    options: &[&str],
    guest: &str,
    change: impl FnOnce(&mut Command),
) -> Result<Started, String> {
    let marker = fresh_marker();
    let mut command = tools.ground.command("env");
    // Whoever starts the tests in the background of a shell has SIGINT ignored, and capos would keep to that.
    command.arg("--default-signal=INT").arg(&tools.ground.capos);
    command.arg("run").args(tools.ground.options()).args(options);
    command.arg(tools.system(guest)).env(MARKER, &marker);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    change(&mut command);
    let child = command.spawn().map_err(|error| error.to_string())?;
    Ok(Started { child, marker })
}

/// Waits for the end; the status and standard error.
pub(super) fn end(mut started: Started, limit: Duration) -> Result<(i32, String), String> {
    let status = wait(&mut started.child, Instant::now() + limit);
    let left = leftovers(&started.marker);
    left.iter().for_each(|process| _ = kill_process(*process, Signal::KILL));
    let mut told = String::new();
    if let Some(mut stderr) = started.child.stderr.take() {
        let _ = stderr.read_to_string(&mut told);
    }
    match status {
        None => Err(format!("still running after {} s\n{told}", limit.as_secs())),
        Some(_) if !left.is_empty() => Err(format!("{} processes are left behind\n{told}", left.len())),
        Some(status) => Ok((status, told)),
    }
}

fn expect(found: (i32, String), status: i32, told: &str) -> Result<String, String> {
    if found.0 == status && found.1.contains(told) && (!told.is_empty() || found.1.is_empty()) {
        return Ok(String::new());
    }
    Err(format!("status {} and {:?}, expected {status} and {told:?}", found.0, found.1))
}

/// `capos run endless.wat | head -1`: ends like a local program whose pipe is closed, at once.
pub(super) fn head(tools: &Tools<'_>) -> Result<String, String> {
    let mut started = start(tools, "endless.wat", |command| _ = command.stdout(Stdio::piped()))?;
    let stdout = started.child.stdout.take().ok_or("no pipe")?;
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(64, stdout);
    reader.read_line(&mut line).map_err(|error| error.to_string())?;
    drop(reader);
    let found = end(started, PROMPT)?;
    if line != "the same line again and again\n" {
        return Err(format!("the first line is {line:?}"));
    }
    // 141: what a shell shows for a program that SIGPIPE ended.
    expect(found, 141, "")
}

/// Ctrl-C: the run ends with 130 and says so.
pub(super) fn interrupt(tools: &Tools<'_>) -> Result<String, String> {
    for (guest, waits_for_output) in [("endless.wat", true), ("spin.wat", true)] {
        let mut started = start(tools, guest, |command| _ = command.stdout(Stdio::piped()))?;
        let mut stdout = started.child.stdout.take().ok_or("no pipe")?;
        if waits_for_output {
            let mut byte = [0];
            stdout.read_exact(&mut byte).map_err(|error| error.to_string())?;
        }
        let drained = thread::spawn(move || _ = std::io::copy(&mut stdout, &mut std::io::sink()));
        let process =
            i32::try_from(started.child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        kill_process(process, Signal::INT).map_err(|error| error.to_string())?;
        let found = end(started, PROMPT)?;
        let _ = drained.join();
        expect(found, 130, "capos: interrupted")?;
    }
    Ok(String::new())
}

/// `>&-` and `2>&-`: what goes there is gone, the rest comes out, and the run ends as it would have.
pub(super) fn closed_streams(tools: &Tools<'_>) -> Result<String, String> {
    let lines = |word: &str| format!("{word}\n").repeat(100);
    for (closed, stdout, stderr) in
        [(">&-", String::new(), lines("err")), ("2>&-", lines("out"), String::new())]
    {
        let marker = fresh_marker();
        let mut child = tools
            .ground
            .command("sh")
            .args(["-c", &format!("exec \"$0\" run \"$@\" {closed}")])
            .arg(&tools.ground.capos)
            .args(tools.ground.options())
            .arg(tools.system("both.wat"))
            .env(MARKER, &marker)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        // The guest writes less than a pipe holds, so the pipes can be read when it is over.
        let out = child.stdout.take();
        let found = end(Started { child, marker }, LIMIT)?;
        let mut said = String::new();
        if let Some(mut out) = out {
            out.read_to_string(&mut said).map_err(|error| error.to_string())?;
        }
        if found != (0, stderr) || said != stdout {
            return Err(format!("{closed}: {found:?}, standard output has {} bytes", said.len()));
        }
    }
    Ok(String::new())
}

/// `>/dev/full`.
pub(super) fn full_disk(tools: &Tools<'_>) -> Result<String, String> {
    let full = File::options().write(true).open("/dev/full").map_err(|error| error.to_string())?;
    let found = end(start(tools, "hello.wat", |command| _ = command.stdout(full))?, LIMIT)?;
    expect(found, 1, "No space left on device")
}

/// `>f 2>&1`: both streams in one file, in the order in which they were written.
pub(super) fn one_file(tools: &Tools<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path: PathBuf = folder.path().join("both");
    let file = File::create(&path).map_err(|error| error.to_string())?;
    let other = file.try_clone().map_err(|error| error.to_string())?;
    let found = end(start(tools, "both.wat", |command| _ = command.stdout(file).stderr(other))?, LIMIT)?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let expected = "out\nerr\n".repeat(100);
    if found.0 == 0 && text == expected {
        return Ok(String::new());
    }
    Err(format!("status {}; {} bytes, expected {} in turns", found.0, text.len(), expected.len()))
}

/// Reads to the end, slowly; the bytes, and how many were not what `byte_at` says of their place.
fn read_slowly(mut stdout: ChildStdout, byte_at: fn(usize) -> u8) -> JoinHandle<(usize, usize)> {
    thread::spawn(move || {
        let (mut total, mut wrong, mut buffer) = (0usize, 0usize, [0u8; 16 * 1024]);
        while let Ok(count) = stdout.read(&mut buffer) {
            if count == 0 {
                break;
            }
            wrong +=
                buffer[..count].iter().enumerate().filter(|(at, byte)| **byte != byte_at(total + at)).count();
            total += count;
            thread::sleep(Duration::from_millis(5));
        }
        (total, wrong)
    })
}

/// Two programs at once: what one has under way is not lost when the other one writes.
pub(super) fn two_writers(tools: &Tools<'_>) -> Result<String, String> {
    slowly(tools, "writers.cue", 3 << 20, |at| at as u8)
}

/// Runs a guest with a slow reader, who must get so many bytes.
fn slowly(tools: &Tools<'_>, guest: &str, bytes: usize, byte_at: fn(usize) -> u8) -> Result<String, String> {
    let mut started = start(tools, guest, |command| _ = command.stdout(Stdio::piped()))?;
    let stdout = started.child.stdout.take().ok_or("no pipe")?;
    let reader = read_slowly(stdout, byte_at);
    let found = end(started, LIMIT)?;
    let (total, wrong) = reader.join().map_err(|_| "the reader panicked")?;
    if total != bytes || wrong != 0 {
        return Err(format!("{total} bytes of {bytes}, {wrong} of them wrong; {found:?}"));
    }
    expect(found, 0, "")
}

/// A reader that takes its time gets every byte. The guest writes the low byte of each byte's place.
pub(super) fn slow_reader(tools: &Tools<'_>) -> Result<String, String> {
    slowly(tools, "mebibyte.wat", 1 << 20, |at| at as u8)
}

/// The same for a program whose account is full: no write needs memory to wait for the host.
pub(super) fn full_account(tools: &Tools<'_>) -> Result<String, String> {
    slowly(tools, "../kernel/pressure.cue", 2 << 20, |at| (at >> 15) as u8)
}
