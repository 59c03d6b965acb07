//! The sizes of a ring region and where its parts lie.
//!
//! Used by the parent module, and through it by the kernel and `capos-rt`; calls nobody.
//!
//! Invariant: in a valid layout the rings and the message area do not overlap, and the area starts on a page.

use super::{COMPLETION_BYTES, HEADER_BYTES, SUBMISSION_BYTES};

/// The sizes of a region, chosen at spawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Entries of the submission ring: a power of two, 4 to 1024.
    pub submission_entries: u32,
    /// Entries of the completion ring: a power of two, at least twice the submission ring, at most 4096.
    pub completion_entries: u32,
    /// Bytes of the message area: whole pages, 4 KiB to 1 MiB.
    pub area_bytes: u32,
}

impl Layout {
    /// What a process gets that does not ask: one page of header and rings, two pages of message area.
    pub const DEFAULT: Layout = Layout { submission_entries: 16, completion_entries: 32, area_bytes: 8192 };

    /// True if the sizes are within the documented bounds.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.submission_entries.is_power_of_two()
            && self.submission_entries >= 4
            && self.submission_entries <= 1024
            && self.completion_entries.is_power_of_two()
            && self.completion_entries >= 2 * self.submission_entries
            && self.completion_entries <= 4096
            && self.area_bytes.is_multiple_of(4096)
            && self.area_bytes >= 4096
            && self.area_bytes <= 1 << 20
    }

    /// Byte offset of the submission ring.
    #[must_use]
    pub const fn submissions_offset(&self) -> usize {
        HEADER_BYTES
    }

    /// Byte offset of the completion ring.
    #[must_use]
    pub const fn completions_offset(&self) -> usize {
        HEADER_BYTES + self.submission_entries as usize * SUBMISSION_BYTES
    }

    /// Byte offset of the message area: the first page boundary after the rings.
    #[must_use]
    pub const fn area_offset(&self) -> usize {
        (self.completions_offset() + self.completion_entries as usize * COMPLETION_BYTES)
            .next_multiple_of(4096)
    }

    /// Bytes of the whole region, whole pages.
    #[must_use]
    pub const fn region_bytes(&self) -> usize {
        self.area_offset() + self.area_bytes as usize
    }
}
