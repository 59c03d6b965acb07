//! A thread's ring region, as the kernel sees it.
//!
//! The region's frames are owned here, so they stay whatever ring 3 unmaps; the kernel reads and writes them directly.
//! Called by `calls`, by process creation and by completions.
//!
//! Invariant: nothing that ring 3 writes into the region is used as an index before it is checked, and each submission is
//! looked at in the kernel's own copy only. Entries do not straddle frames: their sizes divide a page.

use alloc::vec::Vec;
use capos_abi::message::MESSAGE_BYTES_MAX;
use capos_abi::ring::{
    self, COMPLETION_BYTES, Completion, HEAD_WORDS, HEADER_BYTES, Layout, SUBMISSION_BYTES, offset,
};
use capos_kernel_core::completion::{Completions, Entry, HeadOutOfRange};
use capos_kernel_core::storage;
use capos_kernel_hal::PAGE_BYTES;
use capos_kernel_hal::copy::Place;
use capos_kernel_hal::frames::{Frame, OutOfMemory, Pinned, SharedFrame};

/// The region of one thread.
pub(crate) struct Ring {
    pages: Pinned,
    pub(crate) layout: Layout,
    /// What follows is of the layout, kept because each call uses it: the largest message that lies in the area,
    pub(crate) message_limit: u32,
    /// the number of the first completion, counted from the region's start in completions,
    first_completion: usize,
    /// and the byte offset of the message area.
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
            pages: Pinned::new(frames).map_err(|_| OutOfMemory)?,
            layout,
            message_limit: layout.area_bytes.min(MESSAGE_BYTES_MAX as u32),
            first_completion: layout.completions_offset() / COMPLETION_BYTES,
            area_offset: layout.area_offset(),
            submission_head: 0,
            completions: Completions::new(layout.completion_entries),
        };
        ring.pages.store::<{ offset::MAGIC }>(ring::MAGIC);
        ring.pages.store::<{ offset::VERSION }>(ring::VERSION);
        ring.pages.store::<{ offset::SUBMISSION_ENTRIES }>(layout.submission_entries);
        ring.pages.store::<{ offset::COMPLETION_ENTRIES }>(layout.completion_entries);
        ring.pages.store::<{ offset::SUBMISSIONS }>(layout.submissions_offset() as u32);
        ring.pages.store::<{ offset::COMPLETIONS }>(layout.completions_offset() as u32);
        ring.pages.store::<{ offset::AREA }>(layout.area_offset() as u32);
        ring.pages.store::<{ offset::AREA_BYTES }>(layout.area_bytes);
        Ok(ring)
    }

    /// Bytes that a region with this layout takes, its list of frames included.
    pub(crate) fn charge(layout: &Layout) -> u64 {
        let bytes = layout.region_bytes();
        (bytes + bytes / PAGE_BYTES * Pinned::BYTES_FOR_A_FRAME) as u64
    }

    /// The frames, in order.
    pub(crate) fn frames(&self) -> &[SharedFrame] {
        self.pages.frames()
    }

    /// Submissions that ring 3 says it has written and that were not taken yet; any number, if it lies.
    #[inline(always)]
    pub(crate) fn pending(&self) -> u32 {
        self.pages.load::<{ offset::SUBMISSION_TAIL }>().wrapping_sub(self.submission_head)
    }

    /// Takes note of how far ring 3 has read completions.
    #[inline(always)]
    pub(crate) fn observe(&mut self) -> Result<(), HeadOutOfRange> {
        self.completions.observe(self.pages.load::<{ offset::COMPLETION_HEAD }>())
    }

    /// The same, if ring 3 has read all of them: else false, and nothing is noted.
    #[inline(always)]
    pub(crate) fn observe_all(&mut self) -> bool {
        self.completions.observe_all(self.pages.load::<{ offset::COMPLETION_HEAD }>())
    }

    /// The kernel's copy of the next submission.
    pub(crate) fn submission(&self) -> [u64; 8] {
        self.pages.read_record(self.next_record()).unwrap_or([u64::MAX; 8])
    }

    /// The same in two parts, each looked at once: the words that say what is asked for,
    #[inline(always)]
    pub(crate) fn submission_head(&self) -> Option<[u64; HEAD_WORDS]> {
        self.pages.read_part::<8, 0, HEAD_WORDS>(self.next_record())
    }

    /// and the others.
    #[inline(always)]
    pub(crate) fn submission_rest(&self) -> Option<[u64; 8 - HEAD_WORDS]> {
        self.pages.read_part::<8, HEAD_WORDS, { 8 - HEAD_WORDS }>(self.next_record())
    }

    #[inline(always)]
    fn next_record(&self) -> usize {
        let place = (self.submission_head & (self.layout.submission_entries - 1)) as usize;
        HEADER_BYTES / SUBMISSION_BYTES + place
    }

    /// Counts the next submission as taken; [`Ring::publish_taken`] tells ring 3.
    #[inline(always)]
    pub(crate) fn take_submission(&mut self) {
        self.submission_head = self.submission_head.wrapping_add(1);
    }

    /// Tells ring 3 how many submissions were taken.
    #[inline(always)]
    pub(crate) fn publish_taken(&self) {
        self.pages.store::<{ offset::SUBMISSION_HEAD }>(self.submission_head);
    }

    /// Redeems a promised completion entry with a message of `length` bytes.
    #[inline(always)] // On the direct way.
    pub(crate) fn post_message(&mut self, user_data: u64, length: u32) {
        if let Some(entry) = self.completions.post() {
            self.publish(entry, &Completion { length, ..Completion::new(user_data, 0) });
        }
    }

    /// Redeems a promised completion entry.
    pub(crate) fn post(&mut self, completion: &Completion) {
        if let Some(entry) = self.completions.post() {
            self.publish(entry, completion);
        }
    }

    /// Writes a completion that was not promised; false if there is no room.
    #[inline(always)]
    pub(crate) fn complete(&mut self, completion: &Completion) -> bool {
        let Some(entry) = self.completions.take() else { return false };
        self.publish(entry, completion);
        true
    }

    #[inline(always)]
    fn publish(&self, entry: Entry, completion: &Completion) {
        let record = self.first_completion + entry.place as usize;
        let written = self.pages.write_record(record, &completion.encode());
        debug_assert!(written);
        self.pages.store::<{ offset::COMPLETION_TAIL }>(entry.tail);
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
            let Some(frame) = self.frames().get(at / PAGE_BYTES) else { return false };
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

    /// Writes whole words into the message area; false if they are not all inside, are not aligned, or would straddle a page.
    #[inline(always)]
    pub(crate) fn write_area_words<const N: usize>(&self, start: u64, words: &[u64; N]) -> bool {
        // The area is the end of the region.
        let offset = self.area_offset.checked_add(start as usize);
        offset.is_some_and(|offset| self.pages.write_words(offset, words))
    }

    /// Copies `length` bytes at `from` in the sender's message area to `to` in this one; false if they are not all inside, and
    /// then some may have been copied.
    #[inline(always)]
    pub(crate) fn copy_area(&self, to: u64, sender: &Ring, from: u64, length: u32) -> bool {
        // The area is the end of the region.
        let (to, from) = (to as usize, from as usize);
        match (self.area_offset.checked_add(to), sender.area_offset.checked_add(from)) {
            (Some(to), Some(from)) => self.pages.copy_from(to, &sender.pages, from, length as usize),
            _ => false,
        }
    }

    /// The message area from byte `start` on.
    pub(crate) fn area_place(&self, start: u64) -> Place<'_> {
        // The area is the end of the region.
        Place::Pinned(&self.pages, self.area_offset.saturating_add(start as usize))
    }

    /// Copies into the message area; false if the bytes are not all inside.
    pub(crate) fn write_area(&self, start: u64, bytes: &[u8]) -> bool {
        self.area_pieces(start, bytes.len(), |frame, offset, range| {
            bytes.get(range).is_some_and(|bytes| frame.write(offset, bytes).is_ok())
        })
    }
}
