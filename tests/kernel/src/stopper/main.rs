//! `stopper`: stops the key-value service until it stays stopped, and says what it sees.
//!
//! Booted by the manifests `services-*.cue` of the suite `system`. With a timer it waits for an answer for a while only.
//!
//! Invariant: it ends when a call has failed, and exits with 0.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::report::Report;
use capos_rt::schema::console::Console;
use capos_rt::schema::key_value::KeyValue;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, CapSet, Deadline};

capos_rt::entry!(main);

/// How long it waits for an answer, if it can: nanoseconds.
const PATIENCE: u64 = 5_000_000;
/// Stops at most.
const MOST: u32 = 10;

fn main(capabilities: &CapSet) -> ExitStatus {
    let (Ok(console), Ok(keys)) = (capabilities.get("stdout"), capabilities.get("keys")) else {
        return ExitStatus::exited(2);
    };
    let timer = capabilities.get("timer").ok();
    for _ in 0..MOST {
        say(&console, "stop", keys.stop().map(|()| 0));
        let answer = calls(&keys, timer.as_ref());
        say(&console, "calls", answer);
        if answer.is_err() {
            return ExitStatus::exited(0);
        }
    }
    ExitStatus::exited(1)
}

fn calls(keys: &Cap<KeyValue>, timer: Option<&Cap<Timer>>) -> Result<u64, CallError> {
    let Some(timer) = timer else { return keys.calls() };
    let until = timer.now()? + PATIENCE;
    keys.begin_calls()?.wait_until(Deadline::at(timer, until))
}

fn say(console: &Cap<Console>, what: &str, answer: Result<u64, CallError>) {
    let mut line = Report::new();
    match answer {
        Ok(count) => line.write(format_args!("{what}: {count}\n")),
        Err(error) => line.write(format_args!("{what}: {error}\n")),
    }
    // Without a console there is nobody to tell.
    let _ = console.write(line.as_str().as_bytes());
}
