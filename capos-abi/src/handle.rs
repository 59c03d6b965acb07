//! Handles: how a process names a capability in its own table.
//!
//! A handle is an index with a generation, packed in 32 bits. The kernel's table hands them out and checks them; ring 3
//! keeps them inside `Cap<T>`.
//!
//! Invariant: 0 is never a valid handle, because generations start at 1 and skip 0 when they wrap.

/// Bits of a handle that are the index into the table; the rest are the generation.
pub const INDEX_BITS: u32 = 20;

/// The largest number of slots that a table can have.
pub const SLOTS_MAX: u32 = 1 << INDEX_BITS;

/// The largest generation: 12 bits.
pub const GENERATION_MAX: u16 = (1 << (32 - INDEX_BITS)) - 1;

/// A generation-tagged index into the capability table of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(pub u32);

impl Handle {
    /// The handle that names nothing.
    pub const NULL: Handle = Handle(0);

    /// Packs a slot index (below [`SLOTS_MAX`]) and a generation (1 to [`GENERATION_MAX`]).
    /// Bits that do not fit are cut off.
    #[must_use]
    pub const fn new(index: u32, generation: u16) -> Handle {
        Handle((index & (SLOTS_MAX - 1)) | ((generation as u32 & GENERATION_MAX as u32) << INDEX_BITS))
    }

    /// The slot in the table.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 & (SLOTS_MAX - 1)
    }

    /// The generation which the slot must still have.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> INDEX_BITS) as u16
    }

    /// True for the handle that names nothing.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The generation that follows `generation` in a slot: wraps past [`GENERATION_MAX`] and skips 0.
    #[must_use]
    pub const fn next_generation(generation: u16) -> u16 {
        if generation >= GENERATION_MAX { 1 } else { generation + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let handle = Handle::new(SLOTS_MAX - 1, GENERATION_MAX);
        assert_eq!((handle.index(), handle.generation()), (SLOTS_MAX - 1, GENERATION_MAX));
        assert!(Handle::new(0, 0).is_null());
        assert!(!Handle::new(0, 1).is_null());
    }

    #[test]
    fn generations_never_return_to_zero() {
        assert_eq!(Handle::next_generation(1), 2);
        assert_eq!(Handle::next_generation(GENERATION_MAX), 1);
    }
}
