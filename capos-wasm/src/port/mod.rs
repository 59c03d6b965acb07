//! What the WASI functions need from outside, as traits.
//!
//! [`crate::p1`] calls them. [`capability`] has their implementations over the capabilities of a capOS process; `fake` has
//! recording stand-ins for tests on the build host.
//!
//! Invariant: a method is at most one message, so no call here carries more than [`CHUNK_BYTES_MAX`] bytes.

use alloc::boxed::Box;

pub mod capability;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;

/// Bytes that one call of a port carries at most.
pub const CHUNK_BYTES_MAX: usize = capos_abi::message::DATA_BYTES_MAX;

/// Why a port refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// The capability does not permit the method, or it was revoked.
    Denied,
    /// The service behind the capability is gone.
    Gone,
    /// It cannot be done now and may be done later.
    NotReady,
    /// The process, or the machine, has no memory left for the call.
    NoMemory,
    /// The reply is not one that the interface permits; the text says what was wrong with it.
    Impossible(&'static str),
}

/// A stream of bytes that leaves the process.
pub trait Stream {
    /// Writes the bytes ([`CHUNK_BYTES_MAX`] at most) in order and returns how many were taken.
    ///
    /// # Errors
    /// See [`PortError`]; then nothing was written.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError>;
}

/// The monotonic clock.
pub trait Clock {
    /// Nanoseconds since some fixed point; never goes back.
    ///
    /// # Errors
    /// See [`PortError`].
    fn now(&mut self) -> Result<u64, PortError>;

    /// Its smallest step in nanoseconds, at least 1.
    ///
    /// # Errors
    /// See [`PortError`].
    fn resolution(&mut self) -> Result<u64, PortError>;
}

/// A source of random bytes.
pub trait Random {
    /// Fills the buffer ([`CHUNK_BYTES_MAX`] bytes at most).
    ///
    /// # Errors
    /// See [`PortError`]; the buffer's contents are then unspecified. [`PortError::NotReady`] while the source is not seeded.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), PortError>;
}

/// The memory of the process, asked before a linear memory grows.
pub trait Growth {
    /// Gets the memory for a linear memory of `current` bytes that is to have `desired`; false refuses the growth.
    fn prepare(&mut self, current: usize, desired: usize) -> bool;
}

/// Everything that an instance was granted; what is `None` was not.
#[derive(Default)]
pub struct Ports {
    /// Descriptor 1.
    pub stdout: Option<Box<dyn Stream>>,
    /// Descriptor 2.
    pub stderr: Option<Box<dyn Stream>>,
    /// The monotonic clock.
    pub clock: Option<Box<dyn Clock>>,
    /// Random bytes.
    pub random: Option<Box<dyn Random>>,
    /// Asked before a linear memory grows; where there is none the allocator is enough.
    pub growth: Option<Box<dyn Growth>>,
}
