//! Ctrl-C, SIGTERM and their kin, as values.
//!
//! Called by `supervisor`; one thread waits for signals.
//!
//! Invariant: a signal that the command was told to ignore when it was started (`nohup`, a job in the background) stays
//! ignored. Once nobody takes the values any more, a signal does what it does to any other program.

use std::fs;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::failure::{Context, Failure};

/// The signals that end a run, and the one that stops it for a while.
const HANDLED: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP];

/// True if this signal asks for a pause (Ctrl-Z).
#[must_use]
pub fn is_stop(signal: i32) -> bool {
    signal == SIGTSTP
}

/// Calls `handle` with each signal, on a thread of its own. A signal for which it returns false has its default effect:
/// the run is over, and what is left, a line for a reader who does not read, must not outlast a Ctrl-C.
///
/// # Errors
/// The handlers cannot be installed.
pub fn watch(handle: impl Fn(i32) -> bool + Send + 'static) -> Result<(), Failure> {
    let ignored = ignored_signals();
    let handled = HANDLED.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(handled).or_host("signal handlers cannot be installed")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if !handle(signal) {
                // It fails for no signal that this module handles.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    });
    Ok(())
}

/// Stops this process as Ctrl-Z does; returns when it is continued.
pub fn stop_self() {
    // It fails for no signal that this module handles, and going on is the right answer then.
    let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
}

/// The signals that this process ignores, bit n - 1 for signal n.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(ignored_in("Name:\tcapos\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), 0x1001);
        assert_eq!(ignored_in(""), 0);
    }
}
