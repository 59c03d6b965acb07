//! Waiting for the processes, keeping their wall-clock limits, and starting those again that are to be.
//!
//! Run by `run` when everything is started; calls ProcessHandle, Timer, `ends`, `spawn` and, for what init says, `console`.
//!
//! Invariant: it ends when the process named `main` has ended and the host knows, and not before; no failure that is known then is
//! left untold.
//! What a process served stays open exactly as long as it runs or will be started again.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleFault};
use capos_rt::{Cap, Deadline, Pending, ProcessHandleWaitReply};

use crate::authority::Authority;
use crate::console::Streams;
use crate::end::{Ending, INIT, Refusal};
use crate::ends::{Ends, Told};
use crate::package::Package;
use crate::plan::{Plan, Process, When};
use crate::schedule::{Due, Schedule, wait};
use crate::seed::Awaited;
use crate::services::Services;
use crate::spawn::{Running, spawn};

/// Everything that runs.
pub struct Supervisor<'s, 'm> {
    authority: &'s Authority,
    plan: &'s Plan<'m>,
    package: Package<'s>,
    services: Services<'s, 'm>,
    streams: Streams<'s, 'm>,
    schedule: Schedule,
    ends: Ends,
    /// The processes whose end was not told, by their places.
    running: Vec<Option<Cap<ProcessHandle>>>,
    /// How many times each process was started again.
    restarts: Vec<u32>,
}

impl<'s, 'm> Supervisor<'s, 'm> {
    /// A supervisor of the processes of the plan, all of which run but for drivers without a device.
    ///
    /// # Errors
    /// If a process cannot be waited for, or main does not run.
    pub fn new(
        authority: &'s Authority,
        plan: &'s Plan<'m>,
        package: Package<'s>,
        services: Services<'s, 'm>,
        streams: Streams<'s, 'm>,
        running: Vec<Option<Running>>,
    ) -> Result<Supervisor<'s, 'm>, Refusal> {
        let ends = Ends::open(&authority.spawner, plan.processes.len())
            .map_err(|error| Refusal::failed("waiting for processes", error))?;
        let mut supervisor = Supervisor {
            authority,
            plan,
            package,
            services,
            streams,
            schedule: Schedule::default(),
            ends,
            running: plan.processes.iter().map(|_| None).collect(),
            restarts: plan.processes.iter().map(|_| 0).collect(),
        };
        for (place, started) in running.into_iter().enumerate() {
            match started {
                Some(running) => supervisor.watch(place, running)?,
                None if place == plan.main => return Err(without_device(&plan.processes[place].name)),
                None => supervisor.services.close(place),
            }
        }
        Ok(supervisor)
    }

    fn watch(&mut self, place: usize, running: Running) -> Result<(), Refusal> {
        self.schedule.start(place, running.started, self.plan.processes[place].wall_clock);
        self.ends.watch(place, &running.process).map_err(|error| failed(self.plan, place, error))?;
        self.running[place] = Some(running.process);
        Ok(())
    }

    /// Waits until the main process has ended, tells the host how, and returns it.
    pub fn run(mut self) -> Ending {
        let ending = self.wait_for_main().unwrap_or_else(|refusal| Ending::refused(&refusal));
        // If it fails, the kernel's last line says the same.
        let _ = self.deliver(&ending);
        ending
    }

    fn wait_for_main(&mut self) -> Result<Ending, Refusal> {
        loop {
            let Some((place, end)) = self.wait_for_one(None)? else { continue };
            if place == self.plan.main {
                let process = self.plan.processes[place].name.clone();
                self.tell_of_ended();
                return Ok(Ending { kind: end.kind, code: end.code, process, report: end.report });
            }
            self.follow(place, &end)?;
        }
    }

    /// Tells the host the outcome, over a console that is kept running for this.
    fn deliver(&mut self, ending: &Ending) -> Result<(), Refusal> {
        let Some(finish) = self.streams.begin_finish(&self.services, ending) else { return Ok(()) };
        // Of the others nothing more is told.
        for (place, process) in self.running.iter_mut().enumerate() {
            if !self.streams.is_server(place) {
                *process = None;
            }
        }
        while let Some((place, end)) = self.wait_for_one(Some(&finish))? {
            self.follow(place, &end)?;
        }
        Ok(())
    }

    /// What follows the end of a process that is not main: it is started again later, or what it served is closed.
    fn follow(&mut self, place: usize, end: &ProcessHandleWaitReply) -> Result<(), Refusal> {
        let process = &self.plan.processes[place];
        let earlier = self.restarts[place];
        let is_wanted = is_wanted(process, end);
        let follows = match is_wanted && earlier < process.restart.most {
            true => format!(": it is started again ({} of {})", earlier + 1, process.restart.most),
            false if is_wanted => format!(": it was started again {earlier} times and stays ended"),
            false => String::new(),
        };
        if let Some(line) = failure(&process.name, end, &follows) {
            self.streams.tell(&self.services, &line);
        }
        if !is_wanted || earlier >= process.restart.most {
            self.services.close(place);
            let is_lost = process.is_driver() && (is_wanted || !is_success(end));
            return if is_lost { Err(lost_driver(&process.name, end)) } else { Ok(()) };
        }
        self.restarts[place] = earlier + 1;
        let now = now(self.authority)?;
        self.schedule.start_again(place, now, wait(process.restart.delay, earlier));
        Ok(())
    }

    /// Starts a process again. If that is impossible, what it served is closed, and the rest goes on.
    fn start_again(&mut self, place: usize) -> Result<(), Refusal> {
        let nothing = &mut Awaited::default();
        let streams = &mut self.streams;
        match spawn(self.authority, &mut self.package, &self.services, streams, place, nothing) {
            Ok(Some(running)) => self.watch(place, running),
            Ok(None) => Err(without_device(&self.plan.processes[place].name)),
            Err(refusal) if self.plan.processes[place].is_driver() => Err(refusal),
            Err(refusal) => {
                self.streams.tell(&self.services, &format!("{INIT}: {refusal}\n"));
                self.services.close(place);
                Ok(())
            }
        }
    }

    /// A process that has ended, by its place, and how; `None` when the call `finish` is complete. Does meanwhile what is due.
    fn wait_for_one(
        &mut self,
        finish: Option<&Pending<()>>,
    ) -> Result<Option<(usize, ProcessHandleWaitReply)>, Refusal> {
        loop {
            let deadline = match self.schedule.next() {
                Some(nanoseconds) => Deadline::at(&self.authority.timer, nanoseconds),
                None => Deadline::NEVER,
            };
            match self.ends.next(finish.map(Pending::call), deadline) {
                Ok(Some(Told::Other)) => return Ok(None),
                Ok(Some(Told::End(place))) => {
                    let Some(process) = self.running[place].take() else { continue };
                    self.schedule.end(place);
                    let end = process.wait().map_err(|error| failed(self.plan, place, error))?;
                    return Ok(Some((place, end)));
                }
                Ok(None) => self.do_due()?,
                Err(error) => return Err(Refusal::failed("waiting", error)),
            }
        }
    }

    /// Ends every process whose wall-clock limit has passed, and starts those again whose wait has.
    fn do_due(&mut self) -> Result<(), Refusal> {
        let now = now(self.authority)?;
        while let Some((place, due)) = self.schedule.take_due(now) {
            if due == Due::Start {
                self.start_again(place)?;
            } else if let Some(process) = &self.running[place] {
                let kind = OutcomeKind::WallClock as u16;
                process.kill(kind).map_err(|error| failed(self.plan, place, error))?;
            }
        }
        Ok(())
    }

    /// Says how those ended that ended before init looked, as the main process did. Its outcome is the run's, whatever
    /// becomes of this. Who serves the console is left: its end is followed until the outcome is out.
    fn tell_of_ended(&mut self) {
        let mut server = None;
        while let Ok(Some(place)) = self.ends.known() {
            if self.streams.is_server(place) {
                server = Some(place);
                continue;
            }
            let Some(process) = self.running[place].take() else { continue };
            let line = match process.wait() {
                Ok(end) => failure(&self.plan.processes[place].name, &end, ""),
                Err(error) => Some(format!("{INIT}: {}\n", failed(self.plan, place, error))),
            };
            if let Some(line) = line {
                self.streams.tell(&self.services, &line);
            }
        }
        if let Some(place) = server {
            self.ends.tell_again(place);
        }
    }
}

fn without_device(name: &str) -> Refusal {
    Refusal::invalid(name, format_args!("the machine does not have its device"))
}

/// The end of the run because a driver has ended for good.
fn lost_driver(name: &str, end: &ProcessHandleWaitReply) -> Refusal {
    let how = failure(name, end, "").unwrap_or_default();
    let how = how.trim_end().strip_prefix("init: ").unwrap_or("it ended by itself");
    Refusal::of_init(format_args!("the driver \"{name}\" is lost: {how}"))
}

fn now(authority: &Authority) -> Result<u64, Refusal> {
    authority.timer.now().map_err(|error| Refusal::failed("reading the clock", error))
}

/// True if the manifest wants the process started again after this end.
fn is_wanted(process: &Process<'_>, end: &ProcessHandleWaitReply) -> bool {
    match process.restart.when {
        When::Never => false,
        When::OnFailure => !is_success(end),
        When::Always => true,
    }
}

fn is_success(end: &ProcessHandleWaitReply) -> bool {
    OutcomeKind::from_number(end.kind) == Some(OutcomeKind::Exited) && end.code == 0
}

/// The line about a process that is not main and failed, with what follows; `None` if it did not.
fn failure(name: &str, end: &ProcessHandleWaitReply, follows: &str) -> Option<String> {
    let kind = OutcomeKind::from_number(end.kind);
    if is_success(end) {
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
    Some(format!("init: process \"{name}\" ended: {word}{code}{report}{follows}\n"))
}

/// A processor exception in the words of the kernel's record.
fn fault_text(fault: &ProcessHandleFault) -> String {
    let ProcessHandleFault { vector, error_code, address, instruction_pointer } = fault;
    format!("vector {vector} error {error_code:#x} address {address:#x} rip {instruction_pointer:#x}")
}

fn failed(plan: &Plan<'_>, place: usize, error: CallError) -> Refusal {
    Refusal::of_init(format_args!("process \"{}\": {error}", plan.processes[place].name))
}

#[cfg(test)]
mod tests {
    use super::*;
    fn end(kind: OutcomeKind, code: u32, report: &str) -> ProcessHandleWaitReply {
        let (kind, report) = (kind as u16, report.to_string());
        ProcessHandleWaitReply { kind, code, report, fault: ProcessHandleFault::default() }
    }

    #[test]
    fn a_lost_driver_is_told_with_its_last_end() {
        let told = |end: &ProcessHandleWaitReply| lost_driver("virtio-rng", end).to_string();
        assert_eq!(
            told(&end(OutcomeKind::Internal, 0, "the device repeats itself")),
            "the driver \"virtio-rng\" is lost: process \"virtio-rng\" ended: internal: the device repeats itself"
        );
        assert_eq!(
            told(&end(OutcomeKind::Exited, 0, "")),
            "the driver \"virtio-rng\" is lost: it ended by itself"
        );
        let text = without_device("virtio-rng").to_string();
        assert_eq!(text, "process \"virtio-rng\": the machine does not have its device");
    }

    #[test]
    fn only_failures_are_told() {
        assert_eq!(failure("a", &end(OutcomeKind::Exited, 0, ""), ": x"), None);
        assert_eq!(
            failure("a", &end(OutcomeKind::Exited, 3, ""), ": it is started again (1 of 2)").unwrap(),
            "init: process \"a\" ended: exited with code 3: it is started again (1 of 2)\n"
        );
        assert_eq!(
            failure("a", &end(OutcomeKind::Trap, 0, "unreachable"), "").unwrap(),
            "init: process \"a\" ended: trap: unreachable\n"
        );
        let fault =
            ProcessHandleFault { vector: 14, error_code: 6, address: 0x10, instruction_pointer: 0x20_0000 };
        assert_eq!(
            failure("a", &ProcessHandleWaitReply { fault, ..end(OutcomeKind::Fault, 14, "") }, "").unwrap(),
            "init: process \"a\" ended: fault: vector 14 error 0x6 address 0x10 rip 0x200000\n"
        );
    }
}
