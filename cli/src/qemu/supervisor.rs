//! One run of one machine, from QEMU's start to the typed end.
//!
//! Called by `command::run`; starts QEMU through `launcher`, one thread for each channel, and one for signals. The main
//! thread waits for what they tell, and alone starts, ends and reaps QEMU.
//!
//! Invariant: when [`run`] returns, QEMU has been reaped. No thread of this process keeps it alive, and none waits
//! for a reader of standard output that never reads once the run has to end.

use std::fs::File;
use std::io::{PipeReader, Write};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use capos_abi::outcome::OutcomeKind;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::failure::{Context, Failure};
use crate::outcome::{Ending, MachineOutcome};
use crate::qemu::channels::{self, Channels};
use crate::qemu::log::{Log, follow};
use crate::qemu::machine::Boot;
use crate::qemu::output::{OutputError, Progress, Pump};
use crate::qemu::{control, launcher, quote, signals, verdict};
use crate::symbols::{self, Explanation};

/// How long the machine may be silent at first, if nothing else is asked for.
pub const START_LIMIT: Duration = Duration::from_secs(60);
/// How long the output that was written before a time limit may take to reach a slow reader.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How long one write may wait for its reader once the time limit has passed.
const READER_LIMIT: Duration = Duration::from_millis(500);
/// How long the machine may take to power off after it has told the outcome.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(10);

/// What is read from a machine: output, outcome, the kernel's log, QEMU's messages.
const CHANNELS: u32 = 4;

/// What to run and how.
#[derive(Debug)]
pub struct Request {
    /// The emulator.
    pub program: PathBuf,
    /// The machine.
    pub boot: Boot,
    /// How long the machine may run after its first sign of life, by the host's clock.
    pub host_limit: Option<Duration>,
    /// The guest's own time limit, which init keeps: the machine is given longer, a reader that takes no output is not.
    pub time_limit: Option<Duration>,
    /// How long the machine may say nothing after its start; `None` while a person with a debugger decides about that.
    pub start_limit: Option<Duration>,
    /// Where to look for what addresses in the log mean.
    pub symbols: symbols::Source,
    /// True if each line on a terminal carries its process's name.
    pub has_labels: bool,
    /// True if the main process is the adapter with a wasm module.
    pub is_instance: bool,
    /// True if the kernel's log is shown on standard error.
    pub is_verbose: bool,
    /// Where the kernel's log is written too.
    pub kernel_log: Option<File>,
}

/// How it ended.
#[derive(Debug)]
pub struct Finished {
    /// The end.
    pub ending: Ending,
    /// What addresses in the log mean, if the log is shown.
    pub explanations: Vec<Explanation>,
    /// True if standard error stands in the middle of a line of the guest's.
    pub is_error_line_open: bool,
}

/// What the threads tell the main thread.
#[derive(Debug)]
enum Event {
    Signal(i32),
    Alive,
    Output(Result<(), OutputError>),
    Control(Result<Option<MachineOutcome>, String>),
    Stuck,
    LogEnded,
    Ended,
}

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

/// All that is known at the end.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) stop: Option<Stop>,
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) outcome: Option<Result<MachineOutcome, String>>,
    pub(crate) kernel_log: &'a Log,
    pub(crate) emulator_log: &'a Log,
    pub(crate) command_line: &'a str,
    pub(crate) symbols: &'a symbols::Source,
    pub(crate) is_instance: bool,
}

/// What the threads and the main thread share.
#[derive(Clone, Debug, Default)]
struct Shared {
    kernel_log: Arc<Log>,
    emulator_log: Arc<Log>,
    progress: Progress,
}

/// Runs a machine to its end. Has to be called on the main thread.
///
/// # Errors
/// QEMU cannot be started at all. Every end of a machine that was started is a [`Finished`].
pub fn run(mut request: Request) -> Result<Finished, Failure> {
    let shared = Shared::default();
    let (sender, receiver) = channel();
    let pump = Pump::new(request.has_labels, shared.progress.clone())?;
    let signal_sender = sender.clone();
    signals::watch(move |signal| signal_sender.send(Event::Signal(signal)).is_ok())?;
    let (own_ends, guest_ends) = channels::open()?;
    let arguments = request.boot.arguments(guest_ends.backends());
    let mut command = launcher::command(&request.program, &arguments);
    let (messages, messages_end) = std::io::pipe().or_host("a pipe cannot be made")?;
    command.stdout(messages_end.try_clone().or_host("a pipe cannot be duplicated")?);
    command.stderr(Stdio::from(messages_end));
    let child = command.spawn().or_host("QEMU cannot be started")?;
    drop((guest_ends, command));
    let process = Pid::from_child(&child);
    let kernel_log = request.kernel_log.take();
    let readers = Readers {
        is_verbose: request.is_verbose,
        kernel_log,
        shared: shared.clone(),
        sender: sender.clone(),
    };
    readers.start(own_ends, messages, pump)?;
    start_waiter(process, sender)?;
    let mut watch = Watch::new(&request, child, shared.progress.clone());
    watch.until_the_end(&receiver);
    let command_line = quote::command_line(&request.program, &arguments);
    let facts = Facts {
        stop: watch.stop,
        exit: watch.exit,
        outcome: watch.outcome,
        kernel_log: &shared.kernel_log,
        emulator_log: &shared.emulator_log,
        command_line: &command_line,
        symbols: &request.symbols,
        is_instance: request.is_instance,
    };
    let is_error_line_open = shared.progress.is_error_line_open.load(Ordering::Relaxed);
    let explanations = match request.is_verbose {
        true => verdict::explanations(&facts),
        false => Vec::new(),
    };
    Ok(Finished { ending: verdict::of(facts), explanations, is_error_line_open })
}

/// What the reading threads need.
struct Readers {
    is_verbose: bool,
    kernel_log: Option<File>,
    shared: Shared,
    sender: Sender<Event>,
}

impl Readers {
    fn start(self, ends: Channels, messages: PipeReader, pump: Pump) -> Result<(), Failure> {
        let Channels { output, control, log } = ends;
        let Readers { is_verbose, mut kernel_log, shared, sender } = self;
        let to_main = sender.clone();
        start("output", move || drop(to_main.send(Event::Output(pump.run(output)))))?;
        let to_main = sender.clone();
        start("control", move || drop(to_main.send(Event::Control(control::read(control)))))?;
        let (to_main, own) = (sender.clone(), shared.clone());
        start("log", move || {
            let mut is_first = true;
            follow(log, &own.kernel_log, is_verbose, |bytes| {
                if std::mem::take(&mut is_first) {
                    drop(to_main.send(Event::Alive));
                }
                // A log that cannot be written is no reason to end the run.
                if kernel_log.as_mut().is_some_and(|file| file.write_all(bytes).is_err()) {
                    kernel_log = None;
                }
            });
            drop(to_main.send(Event::LogEnded));
        })?;
        start("messages", move || {
            follow(messages, &shared.emulator_log, is_verbose, |_| {
                if verdict::is_stuck(&shared.emulator_log) {
                    drop(sender.send(Event::Stuck));
                }
            });
            drop(sender.send(Event::LogEnded));
        })
    }
}

fn start_waiter(process: Pid, sender: Sender<Event>) -> Result<(), Failure> {
    let descriptor = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty())
        .or_host("QEMU's end cannot be watched (pidfd_open)")?;
    start("waiter", move || {
        let mut descriptors = [rustix::event::PollFd::new(&descriptor, rustix::event::PollFlags::IN)];
        while let Err(rustix::io::Errno::INTR) = rustix::event::poll(&mut descriptors, None) {}
        drop(sender.send(Event::Ended));
    })
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).or_host("a thread cannot be started")
}

/// The main thread's view of a run.
#[derive(Debug)]
struct Watch {
    child: Child,
    progress: Progress,
    host_limit: Option<Duration>,
    time_limit: Option<Duration>,
    deadline: Option<(Instant, Deadline)>,
    reader: Option<ReaderCheck>,
    stop: Option<Stop>,
    exit: Option<ExitStatus>,
    outcome: Option<Result<MachineOutcome, String>>,
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
    fn new(request: &Request, child: Child, progress: Progress) -> Watch {
        Watch {
            child,
            progress,
            host_limit: request.host_limit,
            time_limit: request.time_limit,
            reader: None,
            deadline: request.start_limit.map(|limit| (Instant::now() + limit, Deadline::Start)),
            stop: None,
            exit: None,
            outcome: None,
            open_channels: CHANNELS,
        }
    }

    /// Handles events until QEMU has ended and all that it wrote is out, or until there is a reason to stop.
    fn until_the_end(&mut self, events: &Receiver<Event>) {
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
        self.end_emulator();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) if signals::is_stop(signal) => self.pause(),
            Event::Signal(signal) => self.stop = Some(Stop::Signal(signal)),
            Event::Alive => self.alive(),
            Event::Output(Ok(())) | Event::LogEnded => self.open_channels -= 1,
            Event::Output(Err(error)) => self.stop = Some(Stop::Output(error)),
            Event::Control(outcome) => self.told(outcome.transpose()),
            Event::Stuck => self.stop = Some(Stop::Stuck),
            Event::Ended => self.ended(),
        }
    }

    fn alive(&mut self) {
        if matches!(self.deadline, Some((_, Deadline::Start))) {
            let end = self.host_limit.and_then(|limit| Instant::now().checked_add(limit));
            self.deadline = end.map(|at| (at, Deadline::Time));
            let limit = self.time_limit.and_then(|limit| Instant::now().checked_add(limit));
            self.reader = limit.map(|at| ReaderCheck { at, write: None });
        }
    }

    fn told(&mut self, outcome: Option<Result<MachineOutcome, String>>) {
        self.open_channels -= 1;
        if let Some(Ok(outcome)) = &outcome {
            let is_time = outcome.kind == OutcomeKind::WallClock;
            let (limit, what) = match is_time {
                true => (DRAIN_LIMIT, Deadline::Drain),
                false => (POWER_OFF_LIMIT, Deadline::PowerOff),
            };
            self.deadline = Some((Instant::now() + limit, what));
        }
        self.outcome = outcome;
    }

    fn ended(&mut self) {
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
