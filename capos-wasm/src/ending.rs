//! How the run of a module ends, as a type.
//!
//! Made by [`crate::engine`]; the `capos-wasm` program turns it into the status and report of its `exit`.
//!
//! Invariant: every way in which a guest can end has its own variant, and no text is needed to tell them apart.

use alloc::format;
use alloc::string::{String, ToString};

use capos_abi::outcome::{ExitStatus, OutcomeKind};
use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
use wasmi::{Error, TrapCode};

use crate::refusal::Refusal;

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// `_start` returned.
    Returned,
    /// `proc_exit` was called with this code.
    Exited(u32),
    /// A trap, of the kind that the text names.
    Trap(String),
    /// The fuel was used up, where the text says.
    Fuel(String),
    /// Memory that cannot be refused was not there.
    Memory(String),
    /// The module was refused before it started.
    Invalid(Refusal),
    /// A failure of this host.
    Internal(String),
}

impl Ending {
    /// The status word's parts.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        let failed = |kind| ExitStatus { kind, code: 0 };
        match self {
            Ending::Returned => ExitStatus::exited(0),
            Ending::Exited(code) => ExitStatus::exited(*code),
            Ending::Trap(_) => failed(OutcomeKind::Trap),
            Ending::Fuel(_) => failed(OutcomeKind::Fuel),
            Ending::Memory(_) => failed(OutcomeKind::Memory),
            Ending::Invalid(_) => failed(OutcomeKind::Invalid),
            Ending::Internal(_) => failed(OutcomeKind::Internal),
        }
    }

    /// What people are told beside the status; empty for an ordinary end.
    #[must_use]
    pub fn report(&self) -> String {
        match self {
            Ending::Returned | Ending::Exited(_) => String::new(),
            Ending::Trap(text) | Ending::Memory(text) | Ending::Internal(text) => text.clone(),
            Ending::Fuel(place) => format!("the fuel is used up{place}"),
            Ending::Invalid(refusal) => refusal.to_string(),
        }
    }

    /// The ending that an error of the engine stands for, once the module was accepted. `place` says where it happened, as
    /// [`crate::places::calls`] writes it.
    #[must_use]
    pub(crate) fn of(error: &Error, place: &str) -> Ending {
        if let Some(code) = error.i32_exit_status() {
            return Ending::Exited(code.cast_unsigned());
        }
        match error.kind() {
            ErrorKind::Host(trap) => Ending::Trap(match place {
                "" => trap.to_string(),
                place => format!("{trap},{place}"),
            }),
            ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
                Ending::Trap(String::from(trap_text(TrapCode::TableOutOfBounds)))
            }
            ErrorKind::Instantiation(InstantiationError::FailedToInstantiateMemory(
                MemoryError::OutOfSystemMemory | MemoryError::ResourceLimiterDeniedAllocation,
            )) => Ending::Memory(String::from("no memory for the module's linear memory")),
            ErrorKind::Instantiation(InstantiationError::FailedToInstantiateTable(
                TableError::OutOfSystemMemory,
            )) => Ending::Memory(String::from("no memory for a table of the module")),
            // A function is translated when it is called first.
            ErrorKind::Translation(why) => {
                let why = why.to_string();
                let is_memory = why.contains("memory");
                if is_memory { Ending::Memory(why) } else { Ending::Trap(why) }
            }
            _ => match error.as_trap_code() {
                Some(TrapCode::OutOfFuel) => Ending::Fuel(String::from(place)),
                Some(TrapCode::OutOfSystemMemory) => {
                    Ending::Memory(String::from("the engine found no memory for an operation of the module"))
                }
                Some(code) => Ending::Trap(format!("{}{place}", trap_text(code))),
                None => Ending::Internal(error.to_string()),
            },
        }
    }
}

/// A trap in words.
#[must_use]
pub fn trap_text(code: TrapCode) -> &'static str {
    match code {
        TrapCode::UnreachableCodeReached => "unreachable instruction executed",
        TrapCode::MemoryOutOfBounds => "out of bounds memory access",
        TrapCode::TableOutOfBounds => "out of bounds table access",
        TrapCode::IndirectCallToNull => "indirect call of a null table element",
        TrapCode::IntegerDivisionByZero => "integer divide by zero",
        TrapCode::IntegerOverflow => "integer overflow",
        TrapCode::BadConversionToInteger => "invalid conversion to integer",
        TrapCode::StackOverflow => "stack overflow",
        TrapCode::BadSignature => "indirect call type mismatch",
        TrapCode::OutOfFuel => "fuel used up",
        TrapCode::GrowthOperationLimited => "growth refused",
        TrapCode::OutOfSystemMemory => "out of memory",
    }
}
