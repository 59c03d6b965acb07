//! What a run leaves for its caller besides the guest's output: lines on standard error, the outcome, the kernel's log.
//!
//! Called by `run`; calls `files`.
//!
//! Invariant: no file that is read is written, and nothing waits for a reader who is the reason for the end.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::command::files;
use crate::failure::{Context, Failure};
use crate::options::{RunOptions, Target};
use crate::outcome::{Ending, one_line};
use crate::qemu::supervisor::Finished;

/// Says on standard error how the run ended.
pub(super) fn tell(finished: &Finished) {
    let mut text = String::new();
    for explanation in &finished.explanations {
        text.push_str(&format!("capos: {}\n", one_line(&explanation.line)));
        text.extend(explanation.places.iter().map(|place| format!("capos:   in {}\n", one_line(place))));
        text.extend(explanation.absence.iter().map(|reason| format!("capos:   no names: {reason}\n")));
    }
    for line in finished.ending.lines() {
        text.push_str(&format!("capos: {line}\n"));
    }
    if finished.is_error_line_open && !text.is_empty() {
        text.insert(0, '\n');
    }
    // What had to end although nobody takes its output must not wait here for the same reader.
    let is_forced = matches!(finished.ending, Ending::Unread | Ending::Deadline | Ending::Signal(_));
    if is_forced && !is_error_writable() {
        return;
    }
    // The status says the same, if standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// True if a line can be written to standard error now, or after a moment.
fn is_error_writable() -> bool {
    let stream = std::io::stderr();
    let mut descriptors = [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)];
    let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    !matches!(rustix::event::poll(&mut descriptors, Some(&moment)), Ok(0))
}

/// Opens the file for the outcome before anything runs, so that a path that cannot be written is refused at once. It keeps
/// what it has until there is an outcome.
pub(super) fn outcome_file(options: &RunOptions) -> Result<Option<File>, Failure> {
    if let Some(Target::Words(words)) = &options.target {
        refuse_inputs(options, words.first().map(Path::new))?;
    }
    open(options.outcome.as_deref(), "--outcome")
}

/// Neither the outcome nor the log may take the place of what is run, nor one that of the other.
pub(super) fn refuse_inputs<'a>(
    options: &'a RunOptions,
    inputs: impl IntoIterator<Item = &'a Path> + Clone,
) -> Result<(), Failure> {
    let outputs = [("--outcome", &options.outcome), ("--kernel-log", &options.kernel_log)];
    for (option, path) in outputs {
        if let Some(path) = path {
            files::refuse_inputs(&format!("{option} {}", path.display()), path, inputs.clone())?;
        }
    }
    Ok(())
}

fn open(path: Option<&Path>, option: &str) -> Result<Option<File>, Failure> {
    let Some(path) = path else { return Ok(None) };
    match files::open_for_later(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            Err(Failure::request(format!("{option} {}: cannot be written: {error}", path.display())))
        }
    }
}

/// The file for the kernel's log, empty.
pub(super) fn kernel_log(options: &RunOptions) -> Result<Option<File>, Failure> {
    let mut file = open(options.kernel_log.as_deref(), "--kernel-log")?;
    if let (Some(file), Some(path)) = (&mut file, &options.kernel_log) {
        files::refuse_inputs(&format!("--kernel-log {}", path.display()), path, options.outcome.as_deref())?;
        files::fill(file, b"").or_host(format!("--kernel-log {}", path.display()))?;
    }
    Ok(file)
}

pub(super) fn write_outcome(file: &mut File, ending: &Ending) {
    if let Err(error) = files::fill(file, format!("{}\n", ending.json()).as_bytes()) {
        eprintln!("capos: the outcome cannot be written: {error}");
    }
}
