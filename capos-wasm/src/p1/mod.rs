//! WASI Preview 1: one file per subsystem.
//!
//! Called by [`crate::link`] with arguments decoded and the guest's memory open; calls the traits of [`crate::port`] only, so
//! all of it runs on the build host too.
//!
//! Invariant: a function looks in this order: is it granted, are the arguments and pointers good, and only then acts.
//! Results are written to guest memory last.

pub mod args;
pub mod clock;
pub mod environ;
pub mod fd;
pub mod proc;
pub mod random;
pub mod sched;
mod strings;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::descriptors::Descriptors;
use crate::memory::GuestMemory;
use crate::port::{Clock, Ports, Random};

/// What one instance holds and was told: all that its calls can reach.
pub struct Instance {
    /// argv; no entry holds a NUL.
    pub arguments: Vec<Vec<u8>>,
    /// `KEY=VALUE` each; no entry holds a NUL.
    pub environment: Vec<Vec<u8>>,
    /// Open descriptors.
    pub descriptors: Descriptors,
    /// The monotonic clock, if granted.
    pub clock: Option<Box<dyn Clock>>,
    /// Random bytes, if granted.
    pub random: Option<Box<dyn Random>>,
    /// Where the vectors of one write are gathered; kept to be used again.
    pub gather: Vec<u8>,
}

impl Instance {
    /// An instance that holds `ports`.
    #[must_use]
    pub fn new(arguments: Vec<Vec<u8>>, environment: Vec<Vec<u8>>, ports: Ports) -> Instance {
        Instance {
            arguments,
            environment,
            descriptors: Descriptors::new(ports.stdout, ports.stderr),
            clock: ports.clock,
            random: ports.random,
            gather: Vec::new(),
        }
    }
}

/// One call of the guest.
pub struct Call<'a> {
    /// The guest's memory.
    pub memory: GuestMemory<'a>,
    /// What the instance holds.
    pub instance: &'a mut Instance,
}
