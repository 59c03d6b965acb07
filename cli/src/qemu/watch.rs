//! What the main thread knows while a machine runs, and when it has had enough.
//!
//! Made and run by `supervisor`; hears of `readers` and of signals.
//!
//! Invariant: [`Watch::until_the_end`] returns with QEMU reaped and everything that it started ended. It waits for no
//! reader of standard output that never reads once the run has to end.

use std::process::{Child, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use capos_abi::outcome::OutcomeKind;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::outcome::MachineOutcome;
use crate::progress::Progress as Notice;
use crate::qemu::output::{OutputError, Progress};
use crate::qemu::readers::{CHANNELS, Event};
use crate::qemu::signals;
use crate::qemu::supervisor::Request;

/// How long the output that was written before a time limit may take to reach a slow reader.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How long one write may wait for its reader once the time limit has passed.
const READER_LIMIT: Duration = Duration::from_millis(500);
/// How long the machine may take to power off after it has told the outcome.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(10);

/// Why the run has to end before the machine does.
#[derive(Debug)]
pub(crate) enum Stop {
    Signal(i32),
    Output(OutputError),
    Deadline,
    Unread,
    Silent,
    NoPowerOff,
    Stuck,
}

/// The main thread's view of a run.
#[derive(Debug)]
pub(super) struct Watch {
    child: Child,
    progress: Progress,
    host_limit: Option<Duration>,
    time_limit: Option<Duration>,
    notice: Option<Notice>,
    deadline: Option<(Instant, Deadline)>,
    reader: Option<ReaderCheck>,
    /// Why it had to end before the machine did.
    pub(super) stop: Option<Stop>,
    /// How QEMU ended.
    pub(super) exit: Option<ExitStatus>,
    /// What the machine told last.
    pub(super) outcome: Option<Result<MachineOutcome, String>>,
    open_channels: u32,
}

/// What the next deadline is about.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    Start,
    Time,
    Drain,
    PowerOff,
}

/// When to look next whether the output's reader takes anything, and the write that was under way at the last look.
#[derive(Clone, Copy, Debug)]
struct ReaderCheck {
    at: Instant,
    write: Option<u64>,
}

impl Watch {
    pub(super) fn new(request: &Request, child: Child, progress: Progress) -> Watch {
        Watch {
            child,
            progress,
            host_limit: request.host_limit,
            time_limit: request.time_limit,
            reader: None,
            deadline: request.start_limit.map(|limit| (Instant::now() + limit, Deadline::Start)),
            notice: request.start_limit.map(|_| Notice::of("waiting for the machine to start")),
            stop: None,
            exit: None,
            outcome: None,
            open_channels: CHANNELS,
        }
    }

    /// Handles events until QEMU has ended and all that it wrote is out, or until there is a reason to stop.
    pub(super) fn until_the_end(&mut self, events: &Receiver<Event>) {
        while self.stop.is_none() && !(self.exit.is_some() && self.open_channels == 0) {
            let deadlines = [self.deadline.map(|(at, _)| at), self.reader.map(|reader| reader.at)];
            let event = match deadlines.into_iter().flatten().min() {
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => self.time_passed(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.notice = None;
        self.end_emulator();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) if signals::is_stop(signal) => self.pause(),
            Event::Signal(signal) => self.stop = Some(Stop::Signal(signal)),
            Event::Alive => self.alive(),
            Event::Output(Ok(())) | Event::ChannelEnded => self.channel_ended(),
            Event::Output(Err(error)) => self.stop = Some(Stop::Output(error)),
            Event::Control(outcome) => self.told(outcome.transpose()),
            Event::Stuck => self.stop = Some(Stop::Stuck),
            Event::Ended => self.ended(),
        }
    }

    /// A QEMU that can say nothing any more has to end: it is not waited for without a limit.
    fn channel_ended(&mut self) {
        self.open_channels -= 1;
        if self.open_channels == 0 && self.exit.is_none() {
            self.deadline = Some((Instant::now() + POWER_OFF_LIMIT, Deadline::PowerOff));
        }
    }

    fn alive(&mut self) {
        self.notice = None;
        if matches!(self.deadline, Some((_, Deadline::Start))) {
            let end = self.host_limit.and_then(|limit| Instant::now().checked_add(limit));
            self.deadline = end.map(|at| (at, Deadline::Time));
        }
        // Even if the outcome was told first: the channels are read by threads of their own.
        if self.reader.is_none() {
            let limit = self.time_limit.and_then(|limit| Instant::now().checked_add(limit));
            self.reader = limit.map(|at| ReaderCheck { at, write: None });
        }
    }

    fn told(&mut self, outcome: Option<Result<MachineOutcome, String>>) {
        if let Some(told) = &outcome {
            let is_time = told.as_ref().is_ok_and(|told| told.kind == OutcomeKind::WallClock);
            let (limit, what) = match is_time {
                true => (DRAIN_LIMIT, Deadline::Drain),
                false => (POWER_OFF_LIMIT, Deadline::PowerOff),
            };
            self.deadline = Some((Instant::now() + limit, what));
        }
        self.outcome = outcome;
    }

    fn ended(&mut self) {
        // Whatever QEMU started would hold the channels open. Before it is reaped, because its number is its own until then.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.exit = self.child.wait().ok();
        let is_drain = matches!(self.deadline, Some((_, Deadline::Drain)));
        if !is_drain {
            self.deadline = None;
        }
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        if self.reader.is_some_and(|reader| reader.at <= now) {
            self.check_reader(now);
        }
        if self.deadline.is_some_and(|(at, _)| at <= now) {
            self.deadline_passed();
        }
    }

    /// After the time limit a write has [`READER_LIMIT`] to end: the machine powers off only when its output is out, so
    /// without this a reader that never reads would outlast the limit.
    fn check_reader(&mut self, now: Instant) {
        let write = self.progress.current_write();
        if write.is_some() && self.reader.is_some_and(|reader| reader.write == write) {
            self.stop = Some(Stop::Unread);
        }
        self.reader = Some(ReaderCheck { at: now + READER_LIMIT, write });
    }

    fn deadline_passed(&mut self) {
        let Some((_, what)) = self.deadline.take() else { return };
        match what {
            Deadline::Start => self.stop = Some(Stop::Silent),
            Deadline::Time | Deadline::Drain => self.stop = Some(Stop::Deadline),
            // The kernel powers off after the last byte is out: a slow reader is no reason to give up.
            Deadline::PowerOff if self.progress.is_writing.load(Ordering::Relaxed) => {
                self.deadline = Some((Instant::now() + POWER_OFF_LIMIT, Deadline::PowerOff));
            }
            Deadline::PowerOff => self.stop = Some(Stop::NoPowerOff),
        }
    }

    /// Ctrl-Z: QEMU stops with this process and goes on with it.
    fn pause(&mut self) {
        let process = Pid::from_child(&self.child);
        if self.exit.is_none() {
            let _ = kill_process(process, Signal::STOP);
        }
        signals::stop_self();
        if self.exit.is_none() {
            let _ = kill_process(process, Signal::CONT);
        }
    }

    fn end_emulator(&mut self) {
        if self.exit.is_none() {
            // It fails only if QEMU has ended, which is what is wanted. The group is QEMU's own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.kill();
            self.exit = self.child.wait().ok();
        }
    }
}
