//! A client that says what it does, in one line for each step.
//!
//! Used by both clients.
//!
//! Invariant: a line is on the console before the next step begins.

use core::fmt::Arguments;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::report::Report;
use capos_rt::schema::console::Console;
use capos_rt::{Cap, CapSet, CapSetError};

/// Why a client gives up.
#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    /// A call that has to succeed did not.
    Call(CallError),
    /// What the manifest has to grant is not there.
    Missing(CapSetError),
    /// This is not what it has to be.
    Different(&'static str),
    /// A call that has to be refused succeeded, or was refused for another reason.
    NotRefused(&'static str, Option<CallError>),
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Wrong::Call(error) => write!(formatter, "a call failed: {error}"),
            Wrong::Missing(error) => write!(formatter, "a capability is missing: {error}"),
            Wrong::Different(what) => write!(formatter, "{what} is not what it has to be"),
            Wrong::NotRefused(what, Some(error)) => write!(formatter, "{what}: {error}, which is wrong"),
            Wrong::NotRefused(what, None) => write!(formatter, "{what}: not refused"),
        }
    }
}

impl From<CallError> for Wrong {
    fn from(error: CallError) -> Wrong {
        Wrong::Call(error)
    }
}

impl From<CapSetError> for Wrong {
    fn from(error: CapSetError) -> Wrong {
        Wrong::Missing(error)
    }
}

/// Speaks on the console for one client.
pub struct Narrator {
    name: &'static str,
    console: Cap<Console>,
}

impl Narrator {
    /// Speaks as `name` on "stdout".
    ///
    /// # Errors
    /// If that is not granted.
    pub fn new(name: &'static str, capabilities: &CapSet) -> Result<Narrator, Wrong> {
        Ok(Narrator { name, console: capabilities.get("stdout")? })
    }

    /// Says a sentence.
    ///
    /// # Errors
    /// If the console cannot be written.
    pub fn say(&self, words: Arguments<'_>) -> Result<(), Wrong> {
        let mut line = Report::new();
        line.write(format_args!("{}: {words}\n", self.name));
        self.console.write(line.as_str().as_bytes())?;
        Ok(())
    }

    /// Says a sentence about a call that has to be refused for this reason.
    ///
    /// # Errors
    /// If it was not, or for another one.
    pub fn refused<T>(
        &self,
        words: &'static str,
        result: Result<T, CallError>,
        reason: Transport,
    ) -> Result<(), Wrong> {
        match result {
            Err(CallError::Transport(found)) if found == reason => {
                self.say(format_args!("{words}: {reason}"))
            }
            other => Err(Wrong::NotRefused(words, other.err())),
        }
    }
}

/// Two values that have to be equal.
///
/// # Errors
/// If they are not.
pub fn equal<T: PartialEq>(what: &'static str, found: T, expected: T) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err(Wrong::Different(what)) }
}
