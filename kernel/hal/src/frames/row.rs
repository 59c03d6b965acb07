//! Frames in a row: what a device is given.
//!
//! Called by [`crate::devices`], which says when they may be free again.
//!
//! Invariant: the row owns each of its frames once; dropping it does not free them.

use super::{OutOfMemory, SharedFrame, direct, fill_with_zeros, physical, pool};
use core::num::NonZeroU32;

/// Frames in a row.
#[derive(Debug)]
pub(crate) struct Row {
    first: NonZeroU32,
    count: u32,
}

impl Row {
    /// So many, filled with zeros.
    pub(crate) fn new(count: u32) -> Result<Row, OutOfMemory> {
        let first = pool::allocate_row(count).ok_or(OutOfMemory)?;
        let row = Row { first, count };
        for frame in row.frames() {
            // SAFETY: a free frame had no other user.
            unsafe { fill_with_zeros(direct(frame)) };
        }
        Ok(row)
    }

    fn frames(&self) -> impl Iterator<Item = NonZeroU32> + use<> {
        (self.first.get()..self.first.get() + self.count).filter_map(NonZeroU32::new)
    }

    /// How many.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Physical address of the first.
    pub(crate) fn physical(&self) -> u64 {
        physical(self.first)
    }

    /// One of them, owned once more.
    pub(crate) fn frame(&self, index: u32) -> Option<SharedFrame> {
        let number = NonZeroU32::new(self.first.get() + index).filter(|_| index < self.count)?;
        pool::counts(number).add_owner();
        Some(SharedFrame(number))
    }

    /// Gives them back: as a row, or one by one if some are still mapped somewhere, and those go with their last owner.
    pub(crate) fn free(self) {
        let is_whole = self.frames().all(|frame| pool::counts(frame).owners() == 1);
        if is_whole && pool::release_row(self.first, self.count) {
            return;
        }
        for frame in self.frames() {
            drop(SharedFrame(frame));
        }
    }
}
