//! Address spaces of ring 3.
//!
//! Called by the kernel: one [`AddressSpace`] per process, mapped page by page. Page tables come out of [`crate::frames`]
//! and are counted, so that the kernel can charge them.
//!
//! Invariant: only the lower half is ever touched, page 0 is never mapped, nothing is writable and executable, neither in
//! one mapping nor in two mappings of one frame, and each mapping owns its frame.

use crate::frames::{OutOfMemory, SharedFrame};

/// What ring 3 may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    Execute,
}

/// Why a page is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame for a page table.
    OutOfMemory,
    /// The address is not page-aligned, or outside [`crate::USER_START`] to [`crate::USER_END`].
    BadAddress,
    /// There is a mapping already (`map`) or none (`protect`).
    Occupied,
    /// The frame is mapped executable and this mapping is writable, or the other way round; or the frame is sealed.
    WriteOrExecute,
}

/// The first address of a copy that ring 3 could not have accessed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress(pub u64);

/// The page tables of a process.
pub struct AddressSpace {}

impl AddressSpace {
    /// An empty lower half.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new() -> Result<AddressSpace, OutOfMemory> {
        crate::absent()
    }
    /// Maps the page at address `page`. The mapping owns the frame from then on; on failure it is released.
    ///
    /// # Errors
    /// [`MapError`]; the mappings are then unchanged (page tables may have been added).
    pub fn map(&mut self, page: u64, frame: SharedFrame, access: Access) -> Result<(), MapError> {
        crate::absent()
    }
    /// Removes the mapping of the page and gives its frame back.
    pub fn unmap(&mut self, page: u64) -> Option<SharedFrame> {
        crate::absent()
    }
    /// Changes what ring 3 may do with a mapped page.
    ///
    /// # Errors
    /// [`MapError::Occupied`] if it is not mapped, [`MapError::WriteOrExecute`].
    pub fn protect(&mut self, page: u64, access: Access) -> Result<(), MapError> {
        crate::absent()
    }
    /// The frame that is mapped at the page, and how.
    pub fn lookup(&self, page: u64) -> Option<(SharedFrame, Access)> {
        crate::absent()
    }
    /// Frames that its page tables take, the root included.
    pub fn table_frames(&self) -> usize {
        crate::absent()
    }
    /// Copies from ring 3's memory.
    ///
    /// # Errors
    /// [`BadAddress`] for the first byte that ring 3 could not read; what comes before it is copied.
    pub fn copy_in(&self, address: u64, bytes: &mut [u8]) -> Result<(), BadAddress> {
        crate::absent()
    }
    /// Copies into ring 3's memory.
    ///
    /// # Errors
    /// [`BadAddress`] for the first byte that ring 3 could not write; what comes before it is copied.
    pub fn copy_out(&self, address: u64, bytes: &[u8]) -> Result<(), BadAddress> {
        crate::absent()
    }
    /// Lets ring 3 execute RDTSC (it has a clock mapped) or not, which is the default.
    pub fn set_time_stamp_access(&mut self, allowed: bool) {
        crate::absent()
    }
    /// Releases up to `budget` mappings and page tables; true when the space is empty. Dropping the space does the rest.
    pub fn tear_down(&mut self, budget: usize) -> bool {
        crate::absent()
    }
}
