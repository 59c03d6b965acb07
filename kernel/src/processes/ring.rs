//! A thread's ring region, as the kernel sees it.
//!
//! The region's frames are owned here, so they stay whatever ring 3 unmaps; the kernel reads and writes them directly.
//! Called by `calls`, by process creation and by completions.
//!
//! Invariant: nothing that ring 3 writes into the region is used as an index before it is checked, and each submission is
//! looked at in the kernel's own copy only. Entries do not straddle frames: their sizes divide a page.

use alloc::vec::Vec;
use capos_abi::ring::{self, COMPLETION_BYTES, Completion, Layout, SUBMISSION_BYTES, offset};
use capos_kernel_core::completion::Completions;
use capos_kernel_core::storage;
use capos_kernel_hal::PAGE_BYTES;
use capos_kernel_hal::frames::{Frame, OutOfMemory, SharedFrame};

/// The region of one thread.
pub(crate) struct Ring {
    frames: Vec<SharedFrame>,
    pub(crate) layout: Layout,
    /// Of the layout, kept because each call uses them.
    completions_offset: usize,
    area_offset: usize,
    /// The kernel's own submission head.
    pub(crate) submission_head: u32,
    /// The kernel's own view of the completion ring.
    pub(crate) completions: Completions,
}

impl Ring {
    /// A region with an initialized header.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub(crate) fn new(layout: Layout) -> Result<Ring, OutOfMemory> {
        let count = layout.region_bytes() / PAGE_BYTES;
        let mut frames = Vec::new();
        storage::reserve(&mut frames, count).map_err(|_| OutOfMemory)?;
        for _ in 0..count {
            storage::push(&mut frames, Frame::new()?.share());
        }
        let ring = Ring {
            frames,
            layout,
            completions_offset: layout.completions_offset(),
            area_offset: layout.area_offset(),
            submission_head: 0,
            completions: Completions::new(layout.completion_entries),
        };
        let fields = [
            (offset::MAGIC, ring::MAGIC),
            (offset::VERSION, ring::VERSION),
            (offset::SUBMISSION_ENTRIES, layout.submission_entries),
            (offset::COMPLETION_ENTRIES, layout.completion_entries),
            (offset::SUBMISSIONS, layout.submissions_offset() as u32),
            (offset::COMPLETIONS, layout.completions_offset() as u32),
            (offset::AREA, layout.area_offset() as u32),
            (offset::AREA_BYTES, layout.area_bytes),
        ];
        for (offset, value) in fields {
            ring.store(offset, value);
        }
        Ok(ring)
    }

    /// Bytes that a region with this layout takes, its list of frames included.
    pub(crate) fn charge(layout: &Layout) -> u64 {
        let bytes = layout.region_bytes();
        (bytes + bytes / PAGE_BYTES * size_of::<SharedFrame>()) as u64
    }

    /// The frames, in order.
    pub(crate) fn frames(&self) -> &[SharedFrame] {
        &self.frames
    }

    /// Loads a field of the header.
    #[inline(always)]
    pub(crate) fn load(&self, offset: usize) -> u32 {
        self.frames.first().and_then(|frame| frame.load_u32_acquire(offset).ok()).unwrap_or(0)
    }

    /// Stores a field of the header.
    #[inline(always)]
    pub(crate) fn store(&self, offset: usize, value: u32) {
        if let Some(frame) = self.frames.first() {
            let stored = frame.store_u32_release(offset, value);
            debug_assert!(stored.is_ok());
        }
    }

    /// The kernel's copy of the submission at `head`, free-running.
    #[inline(always)]
    pub(crate) fn submission(&self, head: u32) -> [u64; 8] {
        let place = (head & (self.layout.submission_entries - 1)) as usize;
        let at = self.layout.submissions_offset() + place * SUBMISSION_BYTES;
        let frame = self.frames.get(at / PAGE_BYTES);
        frame.and_then(|frame| frame.read_words(at % PAGE_BYTES).ok()).unwrap_or([u64::MAX; 8])
    }

    /// Redeems a promised completion entry.
    #[inline(always)]
    pub(crate) fn post(&mut self, completion: &Completion) {
        let Some((place, tail)) = self.completions.post() else { return };
        let at = self.completions_offset + place as usize * COMPLETION_BYTES;
        if let Some(frame) = self.frames.get(at / PAGE_BYTES) {
            let written = frame.write_words(at % PAGE_BYTES, &completion.encode());
            debug_assert!(written.is_ok());
        }
        self.store(offset::COMPLETION_TAIL, tail);
    }

    /// Calls `each` for the pieces of `length` bytes of the message area from `start` on: frame, offset in it, range of the
    /// whole. False if they are not all inside the area, or `each` said so.
    pub(crate) fn area_pieces(
        &self,
        start: u64,
        length: usize,
        mut each: impl FnMut(&SharedFrame, usize, core::ops::Range<usize>) -> bool,
    ) -> bool {
        let area_bytes = self.layout.area_bytes as usize;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        if start.checked_add(length).is_none_or(|end| end > area_bytes) {
            return false;
        }
        let mut done = 0;
        while done < length {
            let at = self.area_offset + start + done;
            let piece = (PAGE_BYTES - at % PAGE_BYTES).min(length - done);
            let Some(frame) = self.frames.get(at / PAGE_BYTES) else { return false };
            if !each(frame, at % PAGE_BYTES, done..done + piece) {
                return false;
            }
            done += piece;
        }
        true
    }

    /// Copies out of the message area; false if the bytes are not all inside.
    pub(crate) fn read_area(&self, start: u64, bytes: &mut [u8]) -> bool {
        self.area_pieces(start, bytes.len(), |frame, offset, range| {
            bytes.get_mut(range).is_some_and(|bytes| frame.read(offset, bytes).is_ok())
        })
    }

    /// Writes whole words into the message area; false if they are not all inside, or would straddle a page.
    #[inline(always)]
    pub(crate) fn write_area_words<const N: usize>(&self, start: u64, words: &[u64; N]) -> bool {
        let area_bytes = u64::from(self.layout.area_bytes);
        if start > area_bytes || start + (N * size_of::<u64>()) as u64 > area_bytes {
            return false;
        }
        let at = self.area_offset + start as usize;
        let frame = self.frames.get(at / PAGE_BYTES);
        frame.is_some_and(|frame| frame.write_words(at % PAGE_BYTES, words).is_ok())
    }

    /// Copies into the message area; false if the bytes are not all inside.
    pub(crate) fn write_area(&self, start: u64, bytes: &[u8]) -> bool {
        self.area_pieces(start, bytes.len(), |frame, offset, range| {
            bytes.get(range).is_some_and(|bytes| frame.write(offset, bytes).is_ok())
        })
    }
}
