//! The kernel's page tables, built on the stage's own: one root serves both, so nothing has to be loaded anew.
//!
//! Called by [`crate::start`] for everything that the kernel wants mapped; takes frames out of one range of free memory.
//!
//! Invariant: nothing is mapped twice, only the upper half is changed, and a frame that was taken is not free any more.

use crate::debug;

const PAGE: u64 = 4096;
const ENTRIES: u64 = 512;
const GIBIBYTE: u64 = 1 << 30;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Entry bits of pages that are read, read and written, or executed.
pub(crate) const READ: u64 = PRESENT | NO_EXECUTE;
pub(crate) const READ_WRITE: u64 = PRESENT | WRITABLE | NO_EXECUTE;
pub(crate) const EXECUTE: u64 = PRESENT;

unsafe extern "C" {
    static boot_root: u8;
    static boot_directory_pointers: u8;
}

/// The tables, and the free memory that they grow into.
pub(crate) struct Tables {
    next: u64,
    end: u64,
}

impl Tables {
    /// Tables that take frames from `start` on, up to `end`: whole free pages below 4 GiB, where memory is mapped onto
    /// itself.
    ///
    /// # Safety
    /// Nobody else uses that memory. Called once, with the entry code's tables loaded.
    pub(crate) unsafe fn new(start: u64, end: u64) -> Tables {
        Tables { next: start, end }
    }

    /// The first byte that was not taken.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Takes `pages` frames in a row, with whatever is in them.
    pub(crate) fn take(&mut self, pages: u64) -> u64 {
        let first = self.next;
        let end = pages.checked_mul(PAGE).and_then(|bytes| first.checked_add(bytes));
        let Some(end) = end.filter(|end| *end <= self.end) else {
            debug::refuse(format_args!("no memory for part \"kernel\": give the machine more"));
        };
        self.next = end;
        first
    }

    fn take_table(&mut self) -> *mut u64 {
        let table = self.take(1) as *mut u64;
        // SAFETY: a frame that was just taken, mapped onto itself.
        unsafe { table.write_bytes(0, ENTRIES as usize) };
        table
    }

    /// Maps `pages` pages from `address` on to the frames from `physical` on.
    pub(crate) fn map(&mut self, address: u64, physical: u64, pages: u64, bits: u64) {
        let mut done = 0;
        while done < pages {
            let at = address + done * PAGE;
            let table = self.lowest_table(at);
            let first = at / PAGE % ENTRIES;
            let count = (ENTRIES - first).min(pages - done);
            for index in 0..count {
                let entry = table.wrapping_add((first + index) as usize);
                // SAFETY: an entry of a table of the kernel's.
                if unsafe { entry.read() } != 0 {
                    debug::refuse(format_args!(
                        "part \"kernel\" wants two things mapped at {:#x}",
                        at + index * PAGE
                    ));
                }
                // SAFETY: as above; nothing is mapped there.
                unsafe { entry.write((physical + (done + index) * PAGE) | bits) };
            }
            done += count;
        }
    }

    /// The table whose entries map pages around `address`, made if it is not there.
    fn lowest_table(&mut self, address: u64) -> *mut u64 {
        let mut table = &raw const boot_root as *mut u64;
        for level in [3, 2, 1] {
            let index = address >> (12 + 9 * level) & (ENTRIES - 1);
            if level == 3 && index < ENTRIES / 2 {
                debug::refuse(format_args!(
                    "part \"kernel\" wants something mapped in the lower half, at {address:#x}"
                ));
            }
            let entry = table.wrapping_add(index as usize);
            // SAFETY: an entry of a table that is in use.
            let mut value = unsafe { entry.read() };
            if value == 0 {
                value = self.take_table() as u64 | PRESENT | WRITABLE;
                // SAFETY: as above; nothing is mapped there.
                unsafe { entry.write(value) };
            }
            if value & LARGE != 0 {
                debug::refuse(format_args!("part \"kernel\" wants two things mapped at {address:#x}"));
            }
            table = (value & ADDRESS) as *mut u64;
        }
        table
    }

    /// Maps all physical memory up to `end`, 4 GiB at least, from `address` on: the stage's own tables of the first 4 GiB,
    /// and more behind them.
    pub(crate) fn map_memory(&mut self, address: u64, end: u64) {
        let root = &raw const boot_root as *mut u64;
        let pointers = &raw const boot_directory_pointers as *mut u64;
        let entry = root.wrapping_add((address >> 39 & (ENTRIES - 1)) as usize);
        // SAFETY: an entry of the root.
        let is_free = unsafe { entry.read() } == 0;
        let is_upper_half = address >> 47 == (1 << 17) - 1;
        if !is_free || !is_upper_half || !address.is_multiple_of(ENTRIES * GIBIBYTE) {
            debug::refuse(format_args!(
                "part \"kernel\" wants memory mapped at {address:#x}, where it cannot be"
            ));
        }
        for gibibyte in 4..end.div_ceil(GIBIBYTE).min(ENTRIES) {
            let directory = self.take_table();
            for index in 0..ENTRIES {
                let page = gibibyte * GIBIBYTE + index * (GIBIBYTE / ENTRIES);
                // SAFETY: a table that was just taken.
                unsafe { directory.wrapping_add(index as usize).write(page | PRESENT | WRITABLE | LARGE) };
            }
            // SAFETY: an entry of the stage's table that is not in use.
            unsafe { pointers.wrapping_add(gibibyte as usize).write(directory as u64 | PRESENT | WRITABLE) };
        }
        // SAFETY: all that is below is mapped onto itself already; nothing was mapped at this address.
        unsafe { entry.write(pointers as u64 | PRESENT | WRITABLE | NO_EXECUTE) };
    }
}
