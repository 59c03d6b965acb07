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
/// The range set aside for a large block: room for what a vector that keeps doubling asks for.
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
    /// Bytes that its owner was told it has: more than `committed` if its growth is announced.
    pub(crate) capacity: usize,
}

/// An announced use of a block for a wasm memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Bytes in use.
    pub(crate) current: usize,
    /// Bytes in use afterwards.
    pub(crate) desired: usize,
}

impl Announcement {
    /// How much of a new block of `size` bytes is used at once.
    pub(crate) fn commit_of(announced: Option<Announcement>, size: usize) -> usize {
        announced.map(|growth| growth.desired).filter(|desired| *desired <= size).unwrap_or(size)
    }
}

impl Large {
    /// True if the announced growth may be one inside what the owner of this block has.
    pub(crate) fn may_hold(&self, growth: Announcement) -> bool {
        self.address != 0
            && growth.current > 0
            && growth.current <= self.committed
            && growth.desired <= self.capacity
    }
}

/// Announces that a wasm memory of `current` used bytes is about to use `desired`, and gets the memory for it.
///
/// An engine that keeps a wasm memory in one block asks for all that the memory may ever be, so that it grows where it is,
/// and a process would need a quota of that. Announced use is committed exactly: the next block that is allocated zeroed gets
/// `desired` bytes of memory, and what it promises beyond them is committed by later announcements. Call it before each
/// use of more bytes and refuse the growth if it answers false: one that was not announced ends the process at the first
/// touch. Several blocks which could be the one that grows are all committed.
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
        assert_eq!(Announcement::commit_of(None, 5 * STEP), 5 * STEP);
    }

    #[test]
    fn an_announced_block_is_committed_exactly() {
        let first = Announcement { current: 0, desired: STEP };
        assert_eq!(Announcement::commit_of(Some(first), 20 * STEP), STEP);
        assert_eq!(Announcement::commit_of(Some(first), STEP - 1), STEP - 1);
    }

    #[test]
    fn growth_inside_the_block_is_committed_exactly() {
        let growth = |current, desired| Announcement { current: current * STEP, desired: desired * STEP };
        assert!(block(STEP, 20 * STEP).may_hold(growth(1, 2)));
        assert!(block(9 * STEP, 20 * STEP).may_hold(growth(1, 2)));
        assert!(!block(STEP, 20 * STEP).may_hold(growth(9, 10)));
        assert!(!block(20 * STEP, 20 * STEP).may_hold(growth(20, 21)));
        assert!(!block(STEP, 20 * STEP).may_hold(growth(0, 1)), "what begins has no block yet");
        assert!(!Large::default().may_hold(growth(1, 2)));
    }
}
