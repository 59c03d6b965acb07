//! The ring region: memory that the kernel writes while we run.
//!
//! Called by `thread`, `area` and `operation`. The kernel made and pinned it; its layout is [`capos_abi::ring`].
//!
//! Invariant: indices are read with acquire and written with release ordering; every access is inside the region.

use core::ptr::NonNull;

use capos_abi::ring::{self, COMPLETION_BYTES, Index, Layout, SUBMISSION_BYTES, offset};

/// A ring region.
pub(crate) struct Region {
    base: NonNull<u8>,
    layout: Layout,
    /// Start of the completion ring; with the next one kept because each call uses it.
    completions: NonNull<u8>,
    /// Start of the message area.
    area: NonNull<u8>,
}

impl Region {
    /// Takes over the region at `base`; `None` if it has another layout than this runtime knows.
    ///
    /// # Safety
    /// `base` must be 4096-aligned and point to a region that lives forever and that nothing else in this program uses.
    pub(crate) unsafe fn adopt(base: NonNull<u8>) -> Option<Region> {
        let header = |offset: usize| {
            // SAFETY: the header of a region has at least HEADER_BYTES.
            let field = unsafe { base.byte_add(offset) };
            // SAFETY: its fields are aligned u32s, written by the kernel before the program ran.
            unsafe { field.cast::<u32>().read() }
        };
        let layout = Layout {
            submission_entries: header(offset::SUBMISSION_ENTRIES),
            completion_entries: header(offset::COMPLETION_ENTRIES),
            area_bytes: header(offset::AREA_BYTES),
        };
        let is_known = header(offset::MAGIC) == ring::MAGIC
            && header(offset::VERSION) == ring::VERSION
            && layout.is_valid()
            && header(offset::SUBMISSIONS) as usize == layout.submissions_offset()
            && header(offset::COMPLETIONS) as usize == layout.completions_offset()
            && header(offset::AREA) as usize == layout.area_offset();
        if !is_known {
            return None;
        }
        // SAFETY: the completion ring lies inside the region.
        let completions = unsafe { base.byte_add(layout.completions_offset()) };
        // SAFETY: so does the message area.
        let area = unsafe { base.byte_add(layout.area_offset()) };
        Some(Region { base, layout, completions, area })
    }

    /// Its sizes.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// An index field of the header.
    #[inline]
    fn index(&self, offset: usize) -> &Index {
        debug_assert!(offset < ring::HEADER_BYTES && offset.is_multiple_of(4));
        // SAFETY: the offsets of the header's fields lie inside it.
        let field = unsafe { self.base.byte_add(offset) };
        // SAFETY: an aligned u32 that lives forever; both sides access it atomically only.
        unsafe { field.cast::<Index>().as_ref() }
    }

    /// How far the kernel has taken submissions.
    #[inline]
    pub(crate) fn submission_head(&self) -> u32 {
        self.index(offset::SUBMISSION_HEAD).read()
    }

    /// How far the kernel has written completions.
    #[inline]
    pub(crate) fn completion_tail(&self) -> u32 {
        self.index(offset::COMPLETION_TAIL).read()
    }

    /// Tells the kernel how far submissions are written.
    #[inline]
    pub(crate) fn publish_submissions(&self, tail: u32) {
        self.index(offset::SUBMISSION_TAIL).publish(tail);
    }

    /// Tells the kernel how far completions are read.
    #[inline]
    pub(crate) fn publish_completions(&self, head: u32) {
        self.index(offset::COMPLETION_HEAD).publish(head);
    }

    /// Writes the submission for free-running index `index`.
    ///
    /// # Safety
    /// The kernel has taken the entry's last use, and every buffer that `words` name stays owned by an operation until it
    /// has completed.
    #[inline]
    pub(crate) unsafe fn write_submission(&self, index: u32, words: &[u64; 8]) {
        let place = (index & (self.layout.submission_entries - 1)) as usize;
        let offset = self.layout.submissions_offset() + place * SUBMISSION_BYTES;
        // SAFETY: the masked index is inside the submission ring.
        let entry = unsafe { self.base.byte_add(offset) };
        // SAFETY: the entry is aligned and, by the contract, ours until its index is published.
        unsafe { entry.cast::<[u64; 8]>().write(*words) }
    }

    /// Reads the completion for free-running index `index`.
    #[inline]
    pub(crate) fn read_completion(&self, index: u32) -> [u64; 4] {
        let place = (index & (self.layout.completion_entries - 1)) as usize;
        // SAFETY: the masked index is inside the completion ring.
        let entry = unsafe { self.completions.byte_add(place * COMPLETION_BYTES) };
        // SAFETY: the entry is aligned and initialized; the kernel does not write entries that we were told of.
        unsafe { entry.cast::<[u64; 4]>().read() }
    }

    /// The first byte of the message area.
    #[inline]
    pub(crate) fn area(&self) -> NonNull<u8> {
        self.area
    }
}
