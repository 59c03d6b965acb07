//! Runs tests, prints their lines and counts.
//!
//! Used by every subject; calls the console.
//!
//! Invariant: one line for each test, and the last line counts them.

use alloc::format;
use alloc::string::String;
use core::fmt::{Debug, Display};

use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::{Cap, CapSet};

use crate::context::Context;

/// How a test ends: an error says what is wrong.
pub(crate) type Outcome = Result<(), String>;

/// Runs and counts.
pub(crate) struct Harness<'c> {
    pub(crate) context: &'c Context,
    passed: u32,
    failed: u32,
}

impl<'c> Harness<'c> {
    pub(crate) fn new(context: &'c Context) -> Harness<'c> {
        Harness { context, passed: 0, failed: 0 }
    }

    /// Runs the tests of one subject.
    pub(crate) fn subject(&mut self, subject: &str, tests: &[(&str, fn(&Context) -> Outcome)]) {
        for (name, test) in tests {
            self.count(subject, name, test(self.context));
        }
    }

    /// Prints and counts the end of a test.
    pub(crate) fn count(&mut self, subject: &str, name: &str, outcome: Outcome) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                self.print(&format!("ok      {subject}: {name}\n"));
            }
            Err(told) => {
                self.failed += 1;
                self.print(&format!("FAILED  {subject}: {name}: {told}\n"));
            }
        }
    }

    fn print(&self, line: &str) {
        // Without a console there is nobody to tell; the last line is then missing, which fails the case.
        let _ = self.context.console.write(line.as_bytes());
    }

    /// The last line.
    pub(crate) fn finish(self) -> ExitStatus {
        self.print(&format!("{} passed, {} failed\n", self.passed, self.failed));
        ExitStatus::exited(u32::from(self.failed != 0))
    }
}

/// The end of a suite that was not granted `name`.
pub(crate) fn unusable(capabilities: &CapSet, name: &str) -> ExitStatus {
    if let Ok(console) = capabilities.get::<Console>("stdout") {
        let console: Cap<Console> = console;
        let _ = console.write(format!("FAILED  the manifest does not grant {name}\n").as_bytes());
    }
    ExitStatus::exited(2)
}

/// What was expected and is not so.
pub(crate) fn check(is_so: bool, told: &str) -> Outcome {
    if is_so { Ok(()) } else { Err(String::from(told)) }
}

/// Two values that must be equal.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, expected {expected:?}")) }
}

/// A call that must succeed.
pub(crate) fn done<T>(what: &str, result: Result<T, CallError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// A call that the transport must refuse for this reason.
pub(crate) fn refused<T>(what: &str, result: Result<T, CallError>, reason: Transport) -> Outcome {
    expect(what, result, CallError::Transport(reason))
}

/// A call that the object must refuse for this reason.
pub(crate) fn exception<T>(what: &str, result: Result<T, CallError>, reason: Exception) -> Outcome {
    expect(what, result, CallError::Exception(reason))
}

fn expect<T>(what: &str, result: Result<T, CallError>, reason: impl Into<CallError> + Display) -> Outcome {
    let reason = reason.into();
    match result {
        Ok(_) => Err(format!("{what} succeeded, expected \"{reason}\"")),
        Err(found) if found == reason => Ok(()),
        Err(found) => Err(format!("{what}: \"{found}\", expected \"{reason}\"")),
    }
}
