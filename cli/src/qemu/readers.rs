//! The threads of a run: each reads one channel, or waits for QEMU's end, and tells the main thread.
//!
//! Started by `supervisor`; run `output`, `control` and `log`, and tell `watch`.
//!
//! Invariant: each channel's end is told exactly once, after everything that came through it. What a thread keeps is
//! bounded, however much comes.

use std::fs::File;
use std::io::{PipeReader, Write};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::Pid;

use crate::failure::{Context, Failure};
use crate::outcome::MachineOutcome;
use crate::qemu::channels::Channels;
use crate::qemu::log::{Log, follow};
use crate::qemu::output::{OutputError, Progress, Pump};
use crate::qemu::{control, verdict};

/// What is read from a machine: output, outcome, the kernel's log, QEMU's messages.
pub(super) const CHANNELS: u32 = 4;

/// What the threads tell the main thread.
#[derive(Debug)]
pub(super) enum Event {
    Signal(i32),
    Alive,
    Output(Result<(), OutputError>),
    Control(Result<Option<MachineOutcome>, String>),
    Stuck,
    ChannelEnded,
    Ended,
}

/// What the threads and the main thread share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) kernel_log: Arc<Log>,
    pub(super) emulator_log: Arc<Log>,
    pub(super) progress: Progress,
}

/// What the reading threads need.
pub(super) struct Readers {
    pub(super) is_verbose: bool,
    pub(super) kernel_log: Option<File>,
    pub(super) shared: Shared,
    pub(super) sender: Sender<Event>,
}

impl Readers {
    pub(super) fn start(self, ends: Channels, messages: PipeReader, pump: Pump) -> Result<(), Failure> {
        let Channels { output, control, log } = ends;
        let Readers { is_verbose, mut kernel_log, shared, sender } = self;
        let to_main = sender.clone();
        start("output", move || drop(to_main.send(Event::Output(pump.run(output)))))?;
        let to_main = sender.clone();
        start("control", move || {
            let outcome = control::read(&control);
            let is_told = matches!(outcome, Ok(Some(_)));
            drop(to_main.send(Event::Control(outcome)));
            if is_told && let Err(reason) = control::end(&control) {
                drop(to_main.send(Event::Control(Err(reason))));
            }
            drop(to_main.send(Event::ChannelEnded));
        })?;
        let (to_main, own) = (sender.clone(), shared.clone());
        start("log", move || {
            let mut is_first = true;
            follow(log, &own.kernel_log, is_verbose, |bytes| {
                if std::mem::take(&mut is_first) {
                    drop(to_main.send(Event::Alive));
                }
                // A log that cannot be written is no reason to end the run.
                if let Some(Err(error)) = kernel_log.as_mut().map(|file| file.write_all(bytes)) {
                    let line = format!("capos: the kernel's log cannot be written: {error}\n");
                    let _ = std::io::stderr().write_all(line.as_bytes());
                    kernel_log = None;
                }
            });
            drop(to_main.send(Event::ChannelEnded));
        })?;
        start("messages", move || {
            let mut recent = Vec::new();
            follow(messages, &shared.emulator_log, is_verbose, |bytes| {
                recent.extend_from_slice(bytes);
                if verdict::is_stuck(&recent) {
                    drop(sender.send(Event::Stuck));
                }
                // The words may come in two pieces.
                recent.drain(..recent.len().saturating_sub(verdict::STUCK_WORD_BYTES));
            });
            drop(sender.send(Event::ChannelEnded));
        })
    }
}

pub(super) fn start_waiter(process: Pid, sender: Sender<Event>) -> Result<(), Failure> {
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
