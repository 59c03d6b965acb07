//! One run of one machine, from QEMU's start to the typed end.
//!
//! Called by `command::run`; starts QEMU through `launcher`, the threads of `readers`, and one for signals. The main thread
//! waits in `watch` for what they tell, and alone starts, ends and reaps QEMU; `verdict` says what it all means.
//!
//! Invariant: when [`run`] returns, QEMU has been reaped. No thread of this process keeps it alive, and none waits
//! for a reader of standard output that never reads once the run has to end.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::Pid;

use crate::failure::{Context, Failure};
use crate::outcome::{Ending, MachineOutcome};
use crate::qemu::log::Log;
use crate::qemu::machine::Boot;
use crate::qemu::output::Pump;
use crate::qemu::readers::{Event, Readers, Shared, start_waiter};
use crate::qemu::watch::{Stop, Watch};
use crate::qemu::{channels, launcher, quote, signals, verdict};
use crate::symbols::{self, Explanation};

/// How long the machine may be silent at first, if nothing else is asked for.
pub const START_LIMIT: Duration = Duration::from_secs(60);

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
