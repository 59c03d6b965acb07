//! Frames that ring 0 writes while ring 3 may use them too: the ring region of a thread.
//!
//! Called by the kernel's rings, several times in each system call; that is why nothing is looked up here but the frame.
//!
//! Invariant: ring 0 counts as a writable mapping of each frame for as long as it is pinned, so none of them is executable or
//! sealed meanwhile, and a write needs no look at the frame's counts.

use super::{FrameError, SharedFrame, copy_bytes, direct};
use crate::PAGE_BYTES;
use crate::paging::Access;
use alloc::vec::Vec;
use capos_abi::ring::Index;
use core::ptr::NonNull;

const WORD: usize = size_of::<u64>();

/// Frames in a row, at least one, that stay writable.
#[derive(Debug)]
pub struct Pinned {
    frames: Vec<SharedFrame>,
    /// Where the bytes of each frame are.
    starts: Vec<NonNull<u8>>,
    /// The first of them, where the header lies.
    header: NonNull<u8>,
}

impl Pinned {
    /// Bytes that are kept for each frame.
    pub const BYTES_FOR_A_FRAME: usize = size_of::<SharedFrame>() + size_of::<NonNull<u8>>();

    /// Pins frames.
    ///
    /// # Errors
    /// [`FrameError::ReadOnly`] if one of them is executable somewhere, or sealed; [`FrameError::OutOfBounds`] if there are
    /// none, or no memory to keep where they are.
    pub fn new(frames: Vec<SharedFrame>) -> Result<Pinned, FrameError> {
        let mut starts = Vec::new();
        starts.try_reserve_exact(frames.len()).map_err(|_| FrameError::OutOfBounds)?;
        for frame in &frames {
            let start = NonNull::new(direct(frame.0)).ok_or(FrameError::OutOfBounds)?;
            starts.push_within_capacity(start).map_err(|_| FrameError::OutOfBounds)?;
        }
        let header = *starts.first().ok_or(FrameError::OutOfBounds)?;
        for (index, frame) in frames.iter().enumerate() {
            if !frame.begin_mapping(Access::ReadWrite) {
                frames[..index].iter().for_each(|frame| frame.end_mapping(Access::ReadWrite));
                return Err(FrameError::ReadOnly);
            }
        }
        Ok(Pinned { frames, starts, header })
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[SharedFrame] {
        &self.frames
    }

    /// The aligned 32-bit field at byte `OFFSET` of the first frame.
    #[inline(always)]
    fn field<const OFFSET: usize>(&self) -> &Index {
        const { assert!(OFFSET.is_multiple_of(4) && OFFSET < PAGE_BYTES) };
        // SAFETY: inside the first frame, as just asserted.
        let field = unsafe { self.header.byte_add(OFFSET) };
        // SAFETY: aligned, owned and mapped; ring 3's accesses are the processor's, which are atomic for it.
        unsafe { field.cast::<Index>().as_ref() }
    }

    /// Loads a field of the first frame with acquire ordering.
    #[inline(always)]
    pub fn load<const OFFSET: usize>(&self) -> u32 {
        self.field::<OFFSET>().read()
    }

    /// Stores a field of the first frame with release ordering.
    #[inline(always)]
    pub fn store<const OFFSET: usize>(&self, value: u32) {
        self.field::<OFFSET>().publish(value);
    }

    /// Reads record `index` of all the memory taken as records of `N` words, a power of two. `None` if there is none.
    #[inline(always)]
    pub fn read_record<const N: usize>(&self, index: usize) -> Option<[u64; N]> {
        self.read_part::<N, 0, N>(index)
    }

    /// Reads `LENGTH` words of such a record, from word `FROM` on.
    #[inline(always)]
    pub fn read_part<const N: usize, const FROM: usize, const LENGTH: usize>(
        &self,
        index: usize,
    ) -> Option<[u64; LENGTH]> {
        const { assert!(FROM + LENGTH <= N) };
        let from = self.record::<N>(index)?;
        let mut words = [0; LENGTH];
        for (index, word) in words.iter_mut().enumerate() {
            // SAFETY: the record's words are in its frame; volatile, because ring 3 may change them.
            *word = unsafe { from.wrapping_add(FROM + index).read_volatile() };
        }
        Some(words)
    }

    /// Writes record `index`, counted as in [`Pinned::read_record`]; false if there is none.
    #[inline(always)]
    pub fn write_record<const N: usize>(&self, index: usize, words: &[u64; N]) -> bool {
        let Some(to) = self.record::<N>(index) else { return false };
        // SAFETY: the record's words are in its frame, which is pinned.
        unsafe { write(to, words) };
        true
    }

    /// Writes words at a byte offset; false if it is no multiple of 8, or they are not all in one frame.
    #[inline(always)]
    pub fn write_words<const N: usize>(&self, offset: usize, words: &[u64; N]) -> bool {
        let Some(start) = self.starts.get(offset / PAGE_BYTES) else { return false };
        let offset = offset % PAGE_BYTES;
        // Rotated, an offset that is no multiple is past all others.
        if offset.rotate_right(WORD.trailing_zeros()) > (PAGE_BYTES - size_of_val(words)) / WORD {
            return false;
        }
        // SAFETY: as just checked, the words are in the frame, which is pinned.
        unsafe { write(start.as_ptr().wrapping_add(offset).cast(), words) };
        true
    }

    /// Copies `length` bytes from byte `from` of `other` on to byte `to` of this memory; false if they are not all there: then
    /// some may have been copied.
    #[inline]
    pub fn copy_from(&self, to: usize, other: &Pinned, from: usize, length: usize) -> bool {
        let mut done = 0;
        while done < length {
            let (Some((target, room)), Some((source, rest))) =
                (self.rest_of_frame(to.wrapping_add(done)), other.rest_of_frame(from.wrapping_add(done)))
            else {
                return false;
            };
            let part = (length - done).min(room).min(rest);
            // SAFETY: so many bytes are in both frames, which are pinned; no reference to their bytes exists.
            unsafe { copy_bytes(target, source, part) };
            done += part;
        }
        true
    }

    /// Where byte `offset` is, and how many there are from there to the end of its frame.
    #[inline(always)]
    pub(crate) fn rest_of_frame(&self, offset: usize) -> Option<(*mut u8, usize)> {
        let start = self.starts.get(offset / PAGE_BYTES)?;
        let offset = offset % PAGE_BYTES;
        Some((start.as_ptr().wrapping_add(offset), PAGE_BYTES - offset))
    }

    #[inline(always)]
    fn record<const N: usize>(&self, index: usize) -> Option<*mut u64> {
        const { assert!(N.is_power_of_two() && N * WORD <= PAGE_BYTES) };
        let in_a_frame = PAGE_BYTES / (N * WORD);
        // The rings mostly lie in the first frame.
        if index < in_a_frame {
            return Some(self.header.as_ptr().cast::<u64>().wrapping_add(index * N));
        }
        let start = *self.starts.get(index / in_a_frame)?;
        Some(start.as_ptr().cast::<u64>().wrapping_add(index % in_a_frame * N))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.frames.iter().for_each(|frame| frame.end_mapping(Access::ReadWrite));
    }
}

/// # Safety
/// `N` aligned words from `to` on are in a pinned frame.
#[inline(always)]
unsafe fn write<const N: usize>(to: *mut u64, words: &[u64; N]) {
    for (index, word) in words.iter().enumerate() {
        // SAFETY: the caller's promise; no reference to the frame's bytes exists, and ring 3 may read them meanwhile.
        unsafe { to.wrapping_add(index).write_volatile(*word) };
    }
}
