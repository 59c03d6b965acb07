//! Page-table entries and tables, reached through the direct map.
//!
//! Called by the rest of [`crate::paging`].
//!
//! Invariant: a [`Table`] is the physical address of a frame that is in use as a page table as long as the value
//! exists.

use core::sync::atomic::{AtomicU64, Ordering};

/// Where physical memory is mapped, from physical address 0 on; written readable, never executable.
pub(crate) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Entries of a table.
pub(crate) const ENTRIES: usize = 512;

/// Entry bits.
pub(crate) const PRESENT: u64 = 1;
pub(crate) const WRITABLE: u64 = 1 << 1;
pub(crate) const USER: u64 = 1 << 2;
pub(crate) const WRITE_THROUGH: u64 = 1 << 3;
pub(crate) const CACHE_DISABLED: u64 = 1 << 4;
pub(crate) const LARGE: u64 = 1 << 7;
/// Of the bits that the processor leaves to us: the entry maps device registers, and owns no frame.
pub(crate) const DEVICE: u64 = 1 << 9;
pub(crate) const NO_EXECUTE: u64 = 1 << 63;
/// Bits of the physical address.
pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// A page table of any level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table(u64);

impl Table {
    /// # Safety
    /// `physical` is the address of a frame that is a page table, and stays one while the value is used.
    pub(crate) unsafe fn new(physical: u64) -> Table {
        Table(physical & ADDRESS)
    }

    /// Its physical address.
    pub(crate) fn physical(self) -> u64 {
        self.0
    }

    fn entries(&self) -> &[AtomicU64; ENTRIES] {
        let address = (DIRECT_MAP + self.0) as *const [AtomicU64; ENTRIES];
        // SAFETY: a frame of RAM in the direct map, which is a page table (see `new`); the processor sets accessed
        // and dirty bits in it, so entries are atomic.
        unsafe { &*address }
    }

    /// An entry; indices wrap at 512.
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.entries()[index % ENTRIES].load(Ordering::Relaxed)
    }

    /// Sets an entry.
    ///
    /// # Safety
    /// The table does not map anything then that breaks Rust's rules: no frame of the kernel or of another owner.
    pub(crate) unsafe fn set(&self, index: usize, entry: u64) {
        self.entries()[index % ENTRIES].store(entry, Ordering::Relaxed);
    }

    /// The table that a present, not large entry points to.
    pub(crate) fn child(&self, index: usize) -> Option<Table> {
        let entry = self.get(index);
        (entry & (PRESENT | LARGE) == PRESENT).then_some(Table(entry & ADDRESS))
    }
}

/// The index into the table of `level` (4 is the root) for an address.
pub(crate) fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize % ENTRIES
}
