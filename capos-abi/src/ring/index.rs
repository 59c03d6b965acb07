//! An index of a ring: the one thing that both sides change while the other looks.
//!
//! Used by the kernel and by the runtime for the four indices in a region's header, and by the model test of the rings, in
//! which `loom` takes the place of the processor's memory.
//!
//! Invariant: whoever reads an index sees everything that was written before it was published.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, Ordering};

/// A free-running index in shared memory.
#[derive(Debug)]
#[repr(transparent)]
pub struct Index(AtomicU32);

impl Index {
    /// An index at its start.
    #[must_use]
    pub fn new() -> Index {
        Index(AtomicU32::new(0))
    }

    /// How far the other side says it has come.
    #[inline(always)]
    pub fn read(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Tells the other side how far this one has come.
    #[inline(always)]
    pub fn publish(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }
}

impl Default for Index {
    fn default() -> Index {
        Index::new()
    }
}
