//! Waiting for the processes, and keeping their wall-clock limits.
//!
//! Called by `run` when everything is started; calls ProcessHandle and Timer.
//!
//! Invariant: returns when the process named `main` has ended, and not before; no failure that is known then is left untold.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::console::ConsoleStream;
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleFault};
use capos_rt::{Call, Cap, Deadline, Pending, ProcessHandleWaitReply, wait_any};

use crate::authority::Authority;
use crate::end::{Ending, INIT, Refusal};
use crate::plan::Plan;
use crate::schedule::Schedule;
use crate::spawn::Running;

/// A process that has not ended.
struct Watched<'r> {
    place: usize,
    process: &'r Cap<ProcessHandle>,
    wait: Pending<ProcessHandleWaitReply>,
}

/// Waits until the main process has ended, and returns how.
///
/// # Errors
/// If a process cannot be waited for.
pub fn supervise(authority: &Authority, plan: &Plan<'_>, running: Vec<Running>) -> Result<Ending, Refusal> {
    let mut schedule = Schedule::default();
    let mut watched = Vec::new();
    for (place, (running, process)) in running.iter().zip(&plan.processes).enumerate() {
        schedule.add(running.started, process.wall_clock);
        let wait = running.process.begin_wait().map_err(|error| failed(plan, place, error))?;
        watched.push(Watched { place, process: &running.process, wait });
    }
    loop {
        let ended = wait_for_one(authority, plan, &mut schedule, &watched)?;
        let Watched { place, wait, .. } = watched.swap_remove(ended);
        schedule.end(place);
        let end = wait.wait().map_err(|error| failed(plan, place, error))?;
        if place == plan.main {
            let process = plan.processes[place].name.clone();
            tell_of_ended(authority, plan, watched);
            return Ok(Ending { kind: end.kind, code: end.code, process, report: end.report });
        }
        tell(authority, plan, place, &end);
    }
}

/// The place in `watched` of a process that has ended. Ends those whose time is up meanwhile.
fn wait_for_one(
    authority: &Authority,
    plan: &Plan<'_>,
    schedule: &mut Schedule,
    watched: &[Watched<'_>],
) -> Result<usize, Refusal> {
    let calls: Vec<&Call> = watched.iter().map(|watched| watched.wait.call()).collect();
    loop {
        let deadline = match schedule.next() {
            Some(nanoseconds) => Deadline::at(&authority.timer, nanoseconds),
            None => Deadline::NEVER,
        };
        match wait_any(&calls, deadline) {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => end_due(authority, plan, schedule, watched)?,
            Err(error) => return Err(Refusal::failed("waiting", error)),
        }
    }
}

/// Ends every process whose wall-clock limit has passed.
fn end_due(
    authority: &Authority,
    plan: &Plan<'_>,
    schedule: &mut Schedule,
    watched: &[Watched<'_>],
) -> Result<(), Refusal> {
    let now = authority.timer.now().map_err(|error| Refusal::failed("reading the clock", error))?;
    while let Some(place) = schedule.take_due(now) {
        if let Some(watched) = watched.iter().find(|watched| watched.place == place) {
            let kind = OutcomeKind::WallClock as u16;
            watched.process.kill(kind).map_err(|error| failed(plan, place, error))?;
        }
    }
    Ok(())
}

/// Says how those ended that ended before init looked, as the main process did. Its outcome is the run's, whatever
/// becomes of this.
fn tell_of_ended(authority: &Authority, plan: &Plan<'_>, watched: Vec<Watched<'_>>) {
    for Watched { place, wait, .. } in watched {
        if !wait.call().is_complete() {
            continue;
        }
        match wait.wait() {
            Ok(end) => tell(authority, plan, place, &end),
            Err(error) => complain(authority, &format!("{INIT}: {}\n", failed(plan, place, error))),
        }
    }
}

/// Says of a process that is not main that it failed, if it did.
fn tell(authority: &Authority, plan: &Plan<'_>, place: usize, end: &ProcessHandleWaitReply) {
    if let Some(line) = failure(&plan.processes[place].name, end) {
        complain(authority, &line);
    }
}

/// The line about a process that is not main and failed; `None` if it did not.
fn failure(name: &str, end: &ProcessHandleWaitReply) -> Option<String> {
    let kind = OutcomeKind::from_number(end.kind);
    if kind == Some(OutcomeKind::Exited) && end.code == 0 {
        return None;
    }
    let word = kind.map_or_else(|| end.kind.to_string(), |kind| kind.word().to_string());
    let code =
        if kind == Some(OutcomeKind::Exited) { format!(" with code {}", end.code) } else { String::new() };
    let report = match kind {
        _ if !end.report.is_empty() => format!(": {}", end.report),
        Some(OutcomeKind::Fault) => format!(": {}", fault_text(&end.fault)),
        _ => String::new(),
    };
    Some(format!("init: process \"{name}\" ended: {word}{code}{report}\n"))
}

/// A processor exception in the words of the kernel's record.
fn fault_text(fault: &ProcessHandleFault) -> String {
    let ProcessHandleFault { vector, error_code, address, instruction_pointer } = fault;
    format!("vector {vector} error {error_code:#x} address {address:#x} rip {instruction_pointer:#x}")
}

/// Writes a line to init's error stream. The run goes on without it if that is impossible.
fn complain(authority: &Authority, line: &str) {
    if let Ok(console) = authority.console.open(INIT, ConsoleStream::Error) {
        let _ = console.write(line.as_bytes());
    }
}

fn failed(plan: &Plan<'_>, place: usize, error: CallError) -> Refusal {
    let name = &plan.processes[place].name;
    match error {
        CallError::Transport(Transport::LimitReached) => {
            Refusal::of_init(format_args!("process \"{name}\": too many processes to wait for"))
        }
        error => Refusal::of_init(format_args!("process \"{name}\": {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn end(kind: OutcomeKind, code: u32, report: &str) -> ProcessHandleWaitReply {
        let (kind, report) = (kind as u16, report.to_string());
        ProcessHandleWaitReply { kind, code, report, fault: ProcessHandleFault::default() }
    }

    #[test]
    fn only_failures_are_told() {
        assert_eq!(failure("a", &end(OutcomeKind::Exited, 0, "")), None);
        assert_eq!(
            failure("a", &end(OutcomeKind::Exited, 3, "")).unwrap(),
            "init: process \"a\" ended: exited with code 3\n"
        );
        assert_eq!(
            failure("a", &end(OutcomeKind::Trap, 0, "unreachable")).unwrap(),
            "init: process \"a\" ended: trap: unreachable\n"
        );
        let fault =
            ProcessHandleFault { vector: 14, error_code: 6, address: 0x10, instruction_pointer: 0x20_0000 };
        assert_eq!(
            failure("a", &ProcessHandleWaitReply { fault, ..end(OutcomeKind::Fault, 14, "") }).unwrap(),
            "init: process \"a\" ended: fault: vector 14 error 0x6 address 0x10 rip 0x200000\n"
        );
    }
}
