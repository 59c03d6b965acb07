//! Many runs at once, and runs whose `capos` is killed.
//!
//! Rows of `checks`. Start `capos` as `pipes` does, and know the processes of a run by its marker.
//!
//! Invariant: each run is judged by what only it can have said, and none leaves a process behind.

use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Tools;
use super::pipes::{Started, end, start_with};
use crate::launch::carriers;

/// Runs at once.
const RUNS: i32 = 50;
/// For all of them together, on a busy host too.
const LIMIT: Duration = Duration::from_secs(300);
/// After the first sign of life of a run that is killed.
const MOMENTS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(300),
];
/// How a shell shows a program that SIGKILL ended.
const KILLED: i32 = 137;

/// Fifty runs at once: each writes its own word and ends with its own code.
pub(super) fn fifty(tools: &Tools<'_>) -> Result<String, String> {
    let word = |run: i32| format!("{run:02}");
    let runs: Result<Vec<Started>, String> = (0..RUNS)
        .map(|run| {
            start_with(tools, &[], "own-word.wat", |command| {
                command.arg(word(run)).stdout(Stdio::piped());
            })
        })
        .collect();
    let began = Instant::now();
    let mut wrong = Vec::new();
    for (run, mut started) in (0..RUNS).zip(runs?) {
        // A line fits into a pipe, so it can be read when the run is over.
        let stdout = started.child.stdout.take();
        let ended = end(started, LIMIT.saturating_sub(began.elapsed()));
        let mut said = String::new();
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_string(&mut said);
        }
        if ended != Ok((run, String::new())) || said != format!("{}\n", word(run)) {
            wrong.push(format!("run {run}: {ended:?}, and it said {said:?}"));
        }
    }
    if wrong.is_empty() { Ok(String::new()) } else { Err(wrong.join("\n")) }
}

/// SIGKILL of `capos` at several moments of a run: at once, around the start of QEMU, and while the guest computes.
pub(super) fn killed(tools: &Tools<'_>) -> Result<String, String> {
    for moment in MOMENTS {
        let started = start_with(tools, &[], "spin.wat", |_| ())?;
        thread::sleep(moment);
        kill(started).map_err(|told| format!("after {} ms: {told}", moment.as_millis()))?;
    }
    let started = start_with(tools, &[], "spin.wat", |_| ())?;
    let patience = Instant::now() + LIMIT;
    while carriers(&started.marker).len() < 2 && Instant::now() < patience {
        thread::yield_now();
    }
    kill(started).map_err(|told| format!("as soon as there is a second process: {told}"))?;

    let mut started = start_with(tools, &[], "spin.wat", |command| {
        command.stdout(Stdio::piped());
    })?;
    let mut stdout = started.child.stdout.take().ok_or("no pipe")?;
    let read = stdout.read_exact(&mut [0]);
    let alive = carriers(&started.marker).len();
    kill(started).map_err(|told| format!("while the guest computes: {told}"))?;
    read.map_err(|error| format!("the guest said nothing: {error}"))?;
    match alive {
        0 | 1 => Err(format!("{alive} processes of a run in progress are known: nothing was tested")),
        _ => Ok(format!("{} moments", MOMENTS.len() + 2)),
    }
}

/// Kills `capos` and nobody else; the rest must be gone at once.
fn kill(started: Started) -> Result<(), String> {
    let process = i32::try_from(started.child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    kill_process(process, Signal::KILL).map_err(|error| error.to_string())?;
    match end(started, LIMIT)? {
        (KILLED, _) => Ok(()),
        (status, told) => Err(format!("status {status} instead of {KILLED}\n{told}")),
    }
}
