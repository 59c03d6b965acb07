//! Copies between ring 0 and ring 3, by looking up each page in software.
//!
//! Called by the kernel for what does not lie in the pinned message area.
//!
//! Invariant: only memory that ring 3 could have accessed itself is touched, through the direct map, and no reference
//! to it is made. Device registers are not memory.

use super::{AddressSpace, BadAddress};
use crate::PAGE_BYTES;
use crate::frames::copy_bytes;
use crate::paging::table::{ADDRESS, DEVICE, DIRECT_MAP, WRITABLE};

impl AddressSpace {
    /// Where a byte of ring 3 is in the direct map, if it may be accessed with the given entry bits.
    fn direct(&self, address: u64, required: u64) -> Result<u64, BadAddress> {
        let offset = address % PAGE_BYTES as u64;
        match self.entry(address - offset) {
            Some((_, _, entry)) if entry & (required | DEVICE) == required => {
                Ok(DIRECT_MAP + (entry & ADDRESS) + offset)
            }
            _ => Err(BadAddress(address)),
        }
    }

    /// Calls `copy(direct address, offset in the buffer, length)` for each part of a range that lies in one page.
    fn for_each_part(
        &self,
        address: u64,
        length: usize,
        required: u64,
        mut copy: impl FnMut(u64, usize, usize),
    ) -> Result<(), BadAddress> {
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(BadAddress(u64::MAX))?;
            let part = (PAGE_BYTES - at as usize % PAGE_BYTES).min(length - done);
            copy(self.direct(at, required)?, done, part);
            done += part;
        }
        Ok(())
    }

    /// Copies from ring 3's memory.
    ///
    /// # Errors
    /// [`BadAddress`] for the first byte that ring 3 could not read; what comes before it is copied.
    pub fn copy_in(&self, address: u64, bytes: &mut [u8]) -> Result<(), BadAddress> {
        let target = bytes.as_mut_ptr();
        self.for_each_part(address, bytes.len(), 0, |from, offset, length| {
            // SAFETY: `length` bytes of a mapped frame, and of the buffer from `offset` on.
            unsafe { copy_bytes(target.wrapping_add(offset), from as *const u8, length) };
        })
    }

    /// Copies into ring 3's memory.
    ///
    /// # Errors
    /// [`BadAddress`] for the first byte that ring 3 could not write; what comes before it is copied.
    pub fn copy_out(&self, address: u64, bytes: &[u8]) -> Result<(), BadAddress> {
        let source = bytes.as_ptr();
        self.for_each_part(address, bytes.len(), WRITABLE, |to, offset, length| {
            // SAFETY: `length` bytes of a frame that ring 3 may write, so it is not executable and no reference to it
            // exists, and of the buffer from `offset` on.
            unsafe { copy_bytes(to as *mut u8, source.wrapping_add(offset), length) };
        })
    }
}
