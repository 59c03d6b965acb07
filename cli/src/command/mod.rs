//! The verbs: one module each.
//!
//! [`main`] is called by the binary; it reads the command line and calls the verb.
//!
//! Invariant: an error ends with one line that says what is wrong and what to do, and with a status that is not 0.

mod build;
mod check;
mod completions;
mod debug;
mod doctor;
mod files;
mod licenses;
mod modules;
mod prepare;
mod run;
mod target;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::failure::{Blame, Failure};
use crate::options::{Options, Verb};
use crate::outcome::{STATUS_FAILED, STATUS_REFUSED, one_line};
use crate::qemu::launcher;

/// The status of `build`, `check` and `doctor` when they refuse something.
const STATUS_PROBLEM: u8 = 1;
/// The status of a command line that is not understood, except for `run`, whose low statuses belong to the guest.
const STATUS_USAGE: u8 = 2;

/// The whole command.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(bug));
    let mut words = std::env::args_os();
    let verb = words.by_ref().nth(1);
    if verb.as_deref().is_some_and(|word| word == launcher::LAUNCHER_WORD) {
        return ExitCode::from(u8::try_from(launcher::become_program(words)).unwrap_or(u8::MAX));
    }
    let is_run = verb.is_some_and(|word| word == "run");
    let words: Vec<OsString> = std::env::args_os().collect();
    match words::parse(&words) {
        Ok(options) => ExitCode::from(dispatch(options)),
        Err(error) => ExitCode::from(usage(&error, &words, is_run)),
    }
}

fn dispatch(options: Options) -> u8 {
    let result = match options.verb {
        Some(Verb::Run(options)) => return run::run(*options),
        Some(Verb::Build(options)) => build::build(&options),
        Some(Verb::Check(options)) => check::check(&options),
        Some(Verb::Graph(options)) => check::graph(&options),
        Some(Verb::Doctor(options)) => doctor::doctor(&options),
        Some(Verb::Completions(options)) => completions::completions(&options),
        // Without a verb and without this option, clap has answered already.
        None => licenses::licenses(),
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            report(&failure);
            STATUS_PROBLEM
        }
    }
}

/// Ends the command after a bug in it, in whatever thread, with one line. QEMU ends with the command.
fn bug(information: &std::panic::PanicHookInfo<'_>) {
    let place = information.location().map(ToString::to_string).unwrap_or_default();
    let reason = information.payload_as_str().unwrap_or("for no reason that it tells");
    eprintln!("capos: internal: this is a bug in capos, please report it: {} ({place})", one_line(reason));
    std::process::exit(i32::from(STATUS_FAILED));
}

/// Prints a failure of a verb that runs no guest.
fn report(failure: &Failure) {
    let prefix = match failure.blame {
        Blame::Request => "capos: ",
        Blame::Host => "capos: internal: ",
    };
    for line in failure.message.lines() {
        eprintln!("{prefix}{line}");
    }
}

/// Answers a command line that asks for help or is not understood.
fn usage(error: &clap::Error, words: &[OsString], is_run: bool) -> u8 {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_help || !is_run {
        // There is nothing left to do if the help cannot be printed.
        let _ = error.print();
        return if is_help { 0 } else { STATUS_USAGE };
    }
    let text = match words::foreign(words) {
        Some(word) if error.kind() == ErrorKind::InvalidUtf8 => format!("'{word}' is not UTF-8"),
        _ => short(&error.to_string()),
    };
    eprintln!("capos: invalid: {text}; see `capos run --help`");
    STATUS_REFUSED
}

/// clap's message without usage and without the pointer to the help, as one line.
fn short(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<&str> =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")).collect();
    let text = told.join("; ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Prints a text on standard output, with a line feed at its end.
///
/// # Errors
/// It cannot be written.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match std::io::stdout().write_all(format!("{}\n", text.trim_end()).as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::request(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
