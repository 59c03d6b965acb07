//! Why the driver ends: what becomes its report.
//!
//! Made by `serve` and `wire`. Pure.
//!
//! Invariant: none of its own.

use core::fmt::{Display, Formatter};

use capos_rt::CapSetError;
use capos_rt::abi::error::CallError;

/// Why the driver ends.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// A capability was not granted.
    NotGranted(&'static str, CapSetError),
    /// A call failed that has to work.
    Call(&'static str, CallError),
    /// The device does not do what the specification says.
    Device(&'static str),
    /// What init says of the streams makes no sense, or there is no memory for it.
    Names,
}

impl Failure {
    /// For a call that has to work.
    pub fn of(what: &'static str) -> impl Fn(CallError) -> Failure {
        move |error| Failure::Call(what, error)
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> core::fmt::Result {
        match self {
            Failure::NotGranted(name, error) => write!(formatter, "capability \"{name}\": {error}"),
            Failure::Call(what, error) => write!(formatter, "{what}: {error}"),
            Failure::Device(what) => formatter.write_str(what),
            Failure::Names => formatter.write_str("the names of the streams cannot be read"),
        }
    }
}
