//! How a program begins and ends.
//!
//! Used by every `main` through [`crate::entry`]; calls the `exit` system call.
//!
//! Invariant: a program ends the whole process, with one typed status.

use capos_abi::outcome::{ExitStatus, OutcomeKind};
use capos_abi::system_call::ExitScope;

use crate::sys::system_call;

/// Ends the process.
pub fn exit(status: ExitStatus) -> ! {
    end(status, "")
}

/// Ends the process with a kind, a code and a report for people, of which at most 1,024 bytes are kept.
pub fn end(status: ExitStatus, report: &str) -> ! {
    let kept = report.floor_char_boundary(capos_abi::outcome::REPORT_BYTES_MAX.min(report.len()));
    system_call::exit(ExitScope::Process, status.to_word(), &report[..kept])
}

/// What a `main` may return.
pub trait Termination {
    /// Ends the process with it.
    fn end(self) -> !;
}

impl Termination for () {
    fn end(self) -> ! {
        exit(ExitStatus::exited(0))
    }
}

impl Termination for ExitStatus {
    fn end(self) -> ! {
        exit(self)
    }
}

/// An error becomes the report of an internal failure.
impl<T: Termination, E: core::fmt::Display> Termination for Result<T, E> {
    fn end(self) -> ! {
        match self {
            Ok(value) => value.end(),
            Err(error) => {
                let mut report = crate::report::Report::new();
                report.write(format_args!("{error}"));
                end(ExitStatus { kind: OutcomeKind::Internal, code: 0 }, report.as_str())
            }
        }
    }
}

/// Names the function with which a program starts: `fn main(capabilities: &CapSet) -> impl Termination`. The text, where there
/// is one, is what the same package says when it is run on the system that it was built on.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        fn capos_main() -> ! {
            $crate::process::Termination::end($main(&$crate::CapSet::of_this_process()))
        }
    };
    ($main:path, $elsewhere:literal) => {
        #[cfg(target_os = "none")]
        $crate::entry!($main);

        #[cfg(not(target_os = "none"))]
        fn main() -> std::process::ExitCode {
            eprintln!($elsewhere);
            std::process::ExitCode::FAILURE
        }
    };
}
