//! Why the host command cannot do what it was asked.
//!
//! Made wherever something goes wrong on the host; printed, and turned into an exit status, by `command`.
//!
//! Invariant: a message says what is wrong, where, and what to do, in one line for a run.

use std::fmt::Display;

use capos_image_writer::WriteError;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// What was asked for is refused before anything starts.
    Request,
    /// capOS or the machine that it runs on cannot do it.
    Host,
}

/// A reason to stop, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Failure {
    /// A refusal of the request.
    #[must_use]
    pub fn request(message: impl Into<String>) -> Failure {
        Failure { blame: Blame::Request, message: message.into() }
    }

    /// A failure of capOS or of the machine.
    #[must_use]
    pub fn host(message: impl Into<String>) -> Failure {
        Failure { blame: Blame::Host, message: message.into() }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        match error {
            WriteError::Parts(text) => Failure::request(text),
            WriteError::Target(_) => Failure::host(error.to_string()),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Adds to a system's error what was being done.
pub trait Context<T> {
    /// The same, as a failure of the host with `what` before the reason.
    ///
    /// # Errors
    /// A [`Failure`] that blames the host.
    fn or_host(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn or_host(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::host(format!("{what}: {error}")))
    }
}
