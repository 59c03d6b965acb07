//! How the run ends: an outcome, or a refusal that becomes one.
//!
//! Made by `run` and `supervise`; calls Machine at the very end.
//!
//! Invariant: a refusal names what was refused, and where it belongs to one process, that process.

use alloc::string::{String, ToString};
use core::fmt::{Arguments, Display, Formatter};

use capos_rt::Cap;
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::{ExitStatus, OutcomeKind, REPORT_BYTES_MAX};
use capos_rt::schema::machine::Machine;

/// The name under which init speaks of itself.
pub const INIT: &str = "init";

/// Why the system was not started, or not run to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The process that it is about; init itself if none.
    pub process: String,
    /// What is wrong.
    pub reason: String,
    /// [`OutcomeKind::Invalid`] for a wrong manifest or image, [`OutcomeKind::Internal`] for a failure of capOS.
    pub kind: OutcomeKind,
}

impl Refusal {
    /// The manifest or the image is wrong.
    #[must_use]
    pub fn invalid(process: &str, reason: Arguments<'_>) -> Refusal {
        Refusal { process: process.to_string(), reason: reason.to_string(), kind: OutcomeKind::Invalid }
    }

    /// init cannot do its work.
    #[must_use]
    pub fn of_init(reason: Arguments<'_>) -> Refusal {
        Refusal { process: INIT.to_string(), reason: reason.to_string(), kind: OutcomeKind::Internal }
    }

    /// A call of init failed that has to work.
    #[must_use]
    pub fn failed(what: &str, error: CallError) -> Refusal {
        Refusal::of_init(format_args!("{what}: {error}"))
    }
}

impl Display for Refusal {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> core::fmt::Result {
        if self.process == INIT {
            write!(formatter, "{}", self.reason)
        } else {
            write!(formatter, "process \"{}\": {}", self.process, self.reason)
        }
    }
}

/// The outcome of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How the process `process` ended.
    pub kind: u16,
    /// Its exit code.
    pub code: u32,
    /// Whose end it is.
    pub process: String,
    /// What it said.
    pub report: String,
}

impl Ending {
    /// The run that did not happen.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Ending {
        Ending {
            kind: refusal.kind as u16,
            code: 0,
            process: refusal.process.clone(),
            report: refusal.to_string(),
        }
    }

    /// What it said, as far as it is passed on.
    #[must_use]
    pub fn report(&self) -> &str {
        &self.report[..self.report.floor_char_boundary(REPORT_BYTES_MAX.min(self.report.len()))]
    }

    /// Powers the machine off with this outcome.
    ///
    /// # Errors
    /// If the machine refuses.
    pub fn finish(&self, machine: &Cap<Machine>) -> Result<ExitStatus, Refusal> {
        machine
            .finish(self.kind, self.code, &self.process, self.report())
            .map_err(|error| Refusal::failed("the machine did not finish", error))?;
        Ok(ExitStatus::exited(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_their_process() {
        let refusal = Refusal::invalid("hello", format_args!("grant \"{}\": unknown part", "data"));
        assert_eq!(Ending::refused(&refusal).report, "process \"hello\": grant \"data\": unknown part");
        assert_eq!(Ending::refused(&refusal).kind, OutcomeKind::Invalid as u16);
        assert_eq!(Refusal::of_init(format_args!("no console")).to_string(), "no console");
    }
}
