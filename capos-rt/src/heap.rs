//! Rules of the heap: what is large, how far a block reaches, how much of it is committed.
//!
//! Called by `sys::allocator`, which does what is decided here. Small blocks come from one growing range managed by
//! `linked_list_allocator`; a large block has a reserved range of its own, so it grows where it is and never moves. The
//! programs' part is [`prepare_growth`].
//!
//! Invariant: `committed` never exceeds `reserved`; a block's used bytes are committed.

use capos_schema::virtual_memory::VirtualMemory;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Blocks of at least this many bytes are large.
pub(crate) const LARGE: usize = 128 * 1024;
/// The range set aside for a large block: twice the largest wasm memory, because a vector asks for twice what it has.
pub(crate) const RESERVATION: usize = (8 << 30) + (64 << 10);
/// The range set aside for small blocks.
pub(crate) const SMALL_RESERVATION: usize = 4 << 30;
/// The range for small blocks grows in steps of this.
pub(crate) const SMALL_STEP: usize = 64 * 1024;
/// Large blocks at a time; more are served from the range of small ones.
pub(crate) const LARGE_BLOCKS: usize = 128;

/// The name under which a process holds the VirtualMemory capability of its own address space.
pub const MEMORY: &str = "memory";

/// The interface that the heap calls.
pub(crate) type MemoryInterface = VirtualMemory;

/// One large block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Large {
    /// Where it starts; 0 for a free row.
    pub(crate) address: usize,
    pub(crate) reserved: usize,
    /// Usable bytes from the start, whole pages.
    pub(crate) committed: usize,
    /// Bytes that its owner was told it has: more than `committed` after an announced growth.
    pub(crate) capacity: usize,
}

/// An announced growth of a wasm memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Bytes in use.
    pub(crate) current: usize,
    /// Bytes in use afterwards.
    pub(crate) desired: usize,
}

impl Large {
    /// How far to commit when the owner asks for `new_size` bytes.
    ///
    /// A vector that grows asks for twice its size; if the growth of exactly this block was announced, only the announced
    /// bytes are committed and the rest follows with later announcements.
    pub(crate) fn commit_for(
        &self,
        old_size: usize,
        new_size: usize,
        announced: Option<Announcement>,
    ) -> usize {
        let is_partial = self.committed < self.capacity.next_multiple_of(PAGE);
        match announced {
            Some(growth)
                if growth.desired <= new_size
                    && growth.current <= old_size
                    && (is_partial || growth.current == old_size) =>
            {
                growth.desired.next_multiple_of(PAGE).max(self.committed)
            }
            _ => new_size.next_multiple_of(PAGE),
        }
    }

    /// True if the announced growth happens inside what the owner already has, and needs memory.
    pub(crate) fn awaits(&self, growth: Announcement) -> bool {
        self.address != 0
            && self.committed < growth.desired
            && growth.desired <= self.capacity
            && growth.current <= self.committed
    }
}

/// Announces that a byte vector of `current` used bytes is about to be grown to `desired`, and gets the memory for it.
///
/// An engine that keeps a wasm memory in a vector doubles the vector's capacity, and a process would need a quota of twice
/// its memory limit. Announced growth is committed exactly: what a doubled capacity promises beyond `desired` is committed
/// by the next announcement. Call it before each growth of such a vector and refuse the growth if it answers false: a
/// growth inside a doubled capacity that was not announced ends the process at the first touch.
#[must_use]
pub fn prepare_growth(current: usize, desired: usize) -> bool {
    crate::sys::allocator::announce(Announcement { current, desired })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: usize = 64 * 1024;

    fn block(committed: usize, capacity: usize) -> Large {
        Large { address: 1 << 30, reserved: RESERVATION, committed, capacity }
    }

    #[test]
    fn without_an_announcement_everything_is_committed() {
        assert_eq!(block(STEP, STEP).commit_for(STEP, 2 * STEP + 1, None), 2 * STEP + PAGE);
    }

    #[test]
    fn an_announced_growth_is_committed_exactly() {
        let growth = Announcement { current: 10 * STEP, desired: 11 * STEP };
        assert_eq!(block(10 * STEP, 10 * STEP).commit_for(10 * STEP, 20 * STEP, Some(growth)), 11 * STEP);
        assert!(block(11 * STEP, 20 * STEP).awaits(Announcement { current: 11 * STEP, desired: 12 * STEP }));
        assert!(!block(11 * STEP, 20 * STEP).awaits(Announcement { current: 19 * STEP, desired: 20 * STEP }));
    }

    #[test]
    fn a_full_capacity_goes_on_partially() {
        let growth = Announcement { current: 20 * STEP, desired: 21 * STEP };
        assert_eq!(block(20 * STEP, 20 * STEP).commit_for(20 * STEP, 40 * STEP, Some(growth)), 21 * STEP);
        assert!(!block(20 * STEP, 20 * STEP).awaits(growth));
    }

    #[test]
    fn another_block_is_not_taken_for_the_announced_one() {
        let growth = Announcement { current: 10 * STEP, desired: 11 * STEP };
        assert_eq!(block(4 * STEP, 4 * STEP).commit_for(4 * STEP, 8 * STEP, Some(growth)), 8 * STEP);
        assert_eq!(block(16 * STEP, 16 * STEP).commit_for(16 * STEP, 32 * STEP, Some(growth)), 32 * STEP);
    }
}
