//! A machine check while the kernel runs or its guest: the kernel says so, on a stack of its own, and ends the machine.
//!
//! A row of `checks`. Starts `capos` itself, with QEMU's monitor on a socket, and has QEMU raise the exception.
//!
//! Invariant: the guest has written its line before, so the kernel is up and the guest runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Tools;
use crate::launch::{MARKER, fresh_marker, wait};

/// An uncorrected error in the first bank, in QEMU's words: processor, bank, status, global status, address, details.
const RAISE: &[u8] = b"mce 0 1 0xb200000000000000 0x5 0 0\n";
/// The run may take no longer.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn reported(tools: &Tools<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let socket = folder.path().join("monitor");
    let mut child = tools
        .ground
        .command(&tools.ground.capos)
        .arg("run")
        .args(tools.ground.options())
        .args(["--qemu-argument", "-monitor", "--qemu-argument"])
        .arg(format!("unix:{},server,nowait", socket.display()))
        .arg(tools.system("spin.wat"))
        .env(MARKER, fresh_marker())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let raised = child.stdout.take().ok_or("no pipe".to_owned()).and_then(|stdout| {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        raise(&socket)
    });
    let status = wait(&mut child, Instant::now() + LIMIT);
    let mut told = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut told).map_err(|error| error.to_string())?;
    }
    raised?;
    if status.is_some_and(|status| status != 0) && told.contains("exception 18 in ring") {
        return Ok(String::new());
    }
    Err(format!("status {status:?} and {told:?}, expected a report of exception 18"))
}

/// Raises the machine check, and keeps the monitor until QEMU has gone.
fn raise(socket: &Path) -> Result<(), String> {
    let mut monitor =
        UnixStream::connect(socket).map_err(|error| format!("{}: {error}", socket.display()))?;
    monitor.write_all(RAISE).map_err(|error| error.to_string())?;
    // The end of QEMU ends the connection, in one way or the other.
    let _ = monitor.set_read_timeout(Some(LIMIT));
    let _ = monitor.read_to_end(&mut Vec::new());
    Ok(())
}
