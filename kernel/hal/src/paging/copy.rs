//! Copies between ring 0 and ring 3, by looking up each page in software.
//!
//! Called by the kernel for what does not lie in the pinned message area, and by [`crate::copy`].
//!
//! Invariant: only memory that ring 3 could have accessed itself is touched, through the direct map, and no reference
//! to it is made. Device registers are not memory.

use super::{AddressSpace, BadAddress, is_user_page};
use crate::PAGE_BYTES;
use crate::frames::copy_bytes;
use crate::paging::table::{ADDRESS, DEVICE, DIRECT_MAP, ENTRIES, PRESENT, Table, WRITABLE};
use core::marker::PhantomData;

/// The place of an entry in a table of the lowest level, for as long as its address space stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageEntry<'a> {
    table: Table,
    index: usize,
    space: PhantomData<&'a AddressSpace>,
}

impl PageEntry<'_> {
    /// Where the bytes from an address of this page on to its end are in the direct map, and how many, if ring 3 may read them,
    /// or write them.
    #[inline]
    pub(crate) fn rest_of_page(self, address: u64, is_write: bool) -> Option<(*mut u8, usize)> {
        let entry = self.table.get(self.index);
        let required = if is_write { PRESENT | WRITABLE } else { PRESENT };
        if entry & (required | DEVICE) != required {
            return None;
        }
        let offset = address % PAGE_BYTES as u64;
        let start = (DIRECT_MAP + (entry & ADDRESS) + offset) as *mut u8;
        Some((start, PAGE_BYTES - offset as usize))
    }

    /// That of the next page, if it is in the same table and ring 3 can have a page there.
    #[inline]
    pub(crate) fn next(self) -> Option<Self> {
        // The last page that ring 3 can have is followed by one of the same table, which is never present.
        let index = self.index + 1;
        (index < ENTRIES).then_some(PageEntry { index, ..self })
    }
}

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

    /// The entry for the page of an address of ring 3, if there are tables down to it.
    pub(crate) fn page_entry(&self, address: u64) -> Option<PageEntry<'_>> {
        let page = address - address % PAGE_BYTES as u64;
        let (table, index) = self.leaf(page).filter(|_| is_user_page(page))?;
        Some(PageEntry { table, index, space: PhantomData })
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
