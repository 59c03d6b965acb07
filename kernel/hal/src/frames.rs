//! Physical memory: frames that are owned, and frames that are shared and counted.
//!
//! Called by the kernel for every page of a process, and by this crate for page tables and device queues. A frame is filled
//! with zeros when it is allocated, and is free again when its last owner is dropped.
//!
//! Invariant: a frame that ring 3 may write is never at the same time executable in any address space ([`SharedFrame`]
//! counts mappings of both kinds); a sealed frame (the ramdisk's) is never written again.

use crate::PAGE_BYTES;

/// There is no free frame left, or the test hook refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Why an access to a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes are not all inside the frame, or words are not aligned.
    OutOfBounds,
    /// The frame is mapped executable somewhere, or sealed.
    ReadOnly,
}

/// A frame with one owner and no mapping.
#[derive(Debug)]
pub struct Frame(core::num::NonZeroU32);

/// A frame with counted owners; page-table entries that map it count as owners too.
#[derive(Debug)]
pub struct SharedFrame(core::num::NonZeroU32);

impl Frame {
    /// Allocates a frame, filled with zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new() -> Result<Frame, OutOfMemory> {
        crate::absent()
    }
    /// Its bytes: nobody else can reach them.
    pub fn bytes(&self) -> &[u8; PAGE_BYTES] {
        crate::absent()
    }
    /// Its bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        crate::absent()
    }
    /// Gives up exclusive ownership.
    pub fn share(self) -> SharedFrame {
        crate::absent()
    }
}

/// Bumps the count of owners.
impl Clone for SharedFrame {
    fn clone(&self) -> Self {
        crate::absent()
    }
}

impl SharedFrame {
    /// Takes the frame back as exclusively owned, if this is the only owner (then it is not mapped either).
    ///
    /// # Errors
    /// Gives itself back if there are other owners.
    pub fn into_frame(self) -> Result<Frame, SharedFrame> {
        crate::absent()
    }
    /// A number that no other frame has as long as this one has an owner: the key of a parked word, with the offset.
    pub fn identity(&self) -> u64 {
        crate::absent()
    }
    /// Owners, mappings included.
    pub fn owners(&self) -> u32 {
        crate::absent()
    }
    /// Mappings in all address spaces through which ring 3 can write.
    pub fn writable_mappings(&self) -> u32 {
        crate::absent()
    }
    /// Mappings in all address spaces through which ring 3 can execute.
    pub fn executable_mappings(&self) -> u32 {
        crate::absent()
    }
    /// Copies bytes out, from `offset` on.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`].
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), FrameError> {
        crate::absent()
    }
    /// Copies bytes in, from `offset` on.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`], [`FrameError::ReadOnly`].
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), FrameError> {
        crate::absent()
    }
    /// Reads `N` words at once into the kernel's own copy; `offset` is a multiple of 8.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`].
    pub fn read_words<const N: usize>(&self, offset: usize) -> Result<[u64; N], FrameError> {
        crate::absent()
    }
    /// Writes `N` words; `offset` is a multiple of 8.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`], [`FrameError::ReadOnly`].
    pub fn write_words<const N: usize>(&self, offset: usize, words: &[u64; N]) -> Result<(), FrameError> {
        crate::absent()
    }
    /// Loads a 32-bit word that ring 3 may change, with acquire ordering; `offset` is a multiple of 4.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`].
    pub fn load_u32_acquire(&self, offset: usize) -> Result<u32, FrameError> {
        crate::absent()
    }
    /// Stores a 32-bit word that ring 3 may read, with release ordering; `offset` is a multiple of 4.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`], [`FrameError::ReadOnly`].
    pub fn store_u32_release(&self, offset: usize, value: u32) -> Result<(), FrameError> {
        crate::absent()
    }
}

/// Frames that can be allocated now.
pub fn free_count() -> usize {
    crate::absent()
}

/// Frames that could be allocated when nothing was.
pub fn total_count() -> usize {
    crate::absent()
}

/// A test hook: refuses the `n`th allocation from now (1 is the next), of frames and of the heap alike, then every other one
/// succeeds again. `None` switches it off.
pub fn fail_allocation(n: Option<u64>) {
    crate::absent()
}
