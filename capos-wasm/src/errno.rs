//! The errno numbers of WASI Preview 1, and the one step at which a port's refusal becomes one.
//!
//! Used by [`crate::p1`]; calls nobody.
//!
//! Invariant: a [`PortError`] is translated here and nowhere else, and an impossible reply never becomes an errno.

use crate::memory::BadPointer;
use crate::port::PortError;

/// The numbers that this host answers with; the whole list is in the Preview 1 document, type `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Errno {
    /// No error.
    Success = 0,
    /// Permission denied: a method that the capability does not permit, or one that was revoked.
    Acces = 2,
    /// Not now, try again.
    Again = 6,
    /// No such descriptor.
    Badf = 8,
    /// Invalid argument.
    Inval = 28,
    /// The service behind the capability is gone.
    Io = 29,
    /// The process has no memory left for it.
    Nomem = 48,
    /// Not served, or nothing was granted that could serve it.
    Nosys = 52,
    /// Served in principle, and not for this argument.
    Notsup = 58,
}

/// Why a call of the guest did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The guest is told a number.
    Errno(Errno),
    /// The guest ends with a trap: it passed a pointer that cannot be used.
    BadPointer(BadPointer),
    /// The guest ends with a trap: a port gave a reply that its interface does not permit.
    Impossible(&'static str),
    /// The guest asked to end with this code.
    Exit(u32),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

impl From<BadPointer> for Failure {
    fn from(pointer: BadPointer) -> Failure {
        Failure::BadPointer(pointer)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Failure {
        match error {
            PortError::Denied => Failure::Errno(Errno::Acces),
            PortError::Gone => Failure::Errno(Errno::Io),
            PortError::NotReady => Failure::Errno(Errno::Again),
            PortError::NoMemory => Failure::Errno(Errno::Nomem),
            PortError::Impossible(what) => Failure::Impossible(what),
        }
    }
}
