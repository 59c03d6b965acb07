//! Address spaces of ring 3.
//!
//! Called by the kernel: one [`AddressSpace`] per process, mapped page by page. Page tables come out of
//! [`crate::frames`] and are counted, so that the kernel can charge them.
//!
//! Invariant: only the lower half is ever touched, page 0 is never mapped, nothing is writable and executable,
//! neither in one mapping nor in two mappings of one frame, and each mapping owns its frame.

mod copy;
mod kernel;
mod table;

pub(crate) use copy::PageEntry;
pub(crate) use kernel::{image_is_tight, initialize, map_device, protect_kernel_pages, unmap_kernel_page};
pub(crate) use table::DIRECT_MAP;

use crate::devices::DevicePage;
use crate::frames::{Frame, OutOfMemory, SharedFrame};
use crate::{PAGE_BYTES, USER_END, USER_START};
use table::{
    ADDRESS, CACHE_DISABLED, DEVICE, ENTRIES, NO_EXECUTE, PRESENT, Table, USER, WRITABLE, WRITE_THROUGH,
    index,
};

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

impl Access {
    fn bits(self) -> u64 {
        match self {
            Access::Read => NO_EXECUTE,
            Access::ReadWrite => NO_EXECUTE | WRITABLE,
            Access::Execute => 0,
        }
    }

    fn of(entry: u64) -> Access {
        if entry & WRITABLE != 0 {
            Access::ReadWrite
        } else if entry & NO_EXECUTE == 0 {
            Access::Execute
        } else {
            Access::Read
        }
    }
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
#[derive(Debug)]
pub struct AddressSpace {
    root: Option<Frame>,
    /// What [`kernel::load`] takes: the root, and whether ring 3 may execute RDTSC; 0 without a root.
    key: u64,
    tables: usize,
    /// Where `tear_down` goes on: nothing is mapped below.
    cursor: u64,
}

/// Empty entries of a table that one step of a teardown passes over.
const ENTRIES_PER_STEP: usize = 64;
const LOWER_HALF_END: u64 = 1 << 47;

fn is_user_page(page: u64) -> bool {
    page.is_multiple_of(PAGE_BYTES as u64) && (USER_START..USER_END).contains(&page)
}

impl AddressSpace {
    /// An empty lower half.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new() -> Result<AddressSpace, OutOfMemory> {
        let frame = Frame::new()?;
        // SAFETY: a frame of zeros is an empty table; it is this space's as long as the space exists.
        let table = unsafe { Table::new(frame.physical()) };
        let kernel = kernel::root();
        for entry in ENTRIES / 2..ENTRIES {
            // SAFETY: the kernel's half, which is the same in every space and not accessible to ring 3.
            unsafe { table.set(entry, kernel.get(entry)) };
        }
        let key = frame.physical();
        Ok(AddressSpace { root: Some(frame), key, tables: 1, cursor: 0 })
    }

    fn root(&self) -> Option<Table> {
        // SAFETY: the frame is the root table as long as the space exists.
        self.root.as_ref().map(|frame| unsafe { Table::new(frame.physical()) })
    }

    /// The lowest table for a page and the index in it, if there is one.
    fn leaf(&self, page: u64) -> Option<(Table, usize)> {
        let directory = self.root()?.child(index(page, 4))?.child(index(page, 3))?;
        Some((directory.child(index(page, 2))?, index(page, 1)))
    }

    /// The present entry for a page of ring 3.
    fn entry(&self, page: u64) -> Option<(Table, usize, u64)> {
        if !is_user_page(page) {
            return None;
        }
        let (table, at) = self.leaf(page)?;
        let entry = table.get(at);
        (entry & PRESENT != 0).then_some((table, at, entry))
    }

    /// As [`AddressSpace::leaf`], with the tables that are missing.
    fn make_leaf(&mut self, page: u64) -> Result<(Table, usize), OutOfMemory> {
        let mut table = self.root().ok_or(OutOfMemory)?;
        for level in [4, 3, 2] {
            let at = index(page, level);
            table = match table.child(at) {
                Some(child) => child,
                None => {
                    let physical = Frame::new()?.share().into_raw();
                    self.tables += 1;
                    // SAFETY: an empty table, from now on owned by its parent.
                    unsafe { table.set(at, physical | PRESENT | WRITABLE | USER) };
                    // SAFETY: as above.
                    unsafe { Table::new(physical) }
                }
            };
        }
        Ok((table, index(page, 1)))
    }

    /// Maps the page at address `page`. The mapping owns the frame from then on; on failure it is released.
    ///
    /// # Errors
    /// [`MapError`]; the mappings are then unchanged (page tables may have been added).
    pub fn map(&mut self, page: u64, frame: SharedFrame, access: Access) -> Result<(), MapError> {
        if !is_user_page(page) || page < self.cursor {
            return Err(MapError::BadAddress);
        }
        let (table, at) = self.make_leaf(page).map_err(|OutOfMemory| MapError::OutOfMemory)?;
        if table.get(at) & PRESENT != 0 {
            return Err(MapError::Occupied);
        }
        if !frame.begin_mapping(access) {
            return Err(MapError::WriteOrExecute);
        }
        // SAFETY: ring 3 gets a frame that is counted as shared and mapped; the entry owns one count.
        unsafe { table.set(at, frame.into_raw() | PRESENT | USER | access.bits()) };
        Ok(())
    }

    /// Maps a page of device registers at address `page`, without caching, readable and writable.
    ///
    /// # Errors
    /// [`MapError`]; the mappings are then unchanged (page tables may have been added).
    pub fn map_device(&mut self, page: u64, registers: DevicePage) -> Result<(), MapError> {
        if !is_user_page(page) || page < self.cursor {
            return Err(MapError::BadAddress);
        }
        let (table, at) = self.make_leaf(page).map_err(|OutOfMemory| MapError::OutOfMemory)?;
        if table.get(at) & PRESENT != 0 {
            return Err(MapError::Occupied);
        }
        let bits = PRESENT | USER | DEVICE | CACHE_DISABLED | WRITE_THROUGH | Access::ReadWrite.bits();
        // SAFETY: registers of a device that can be given out: no memory of anybody's. The entry owns no frame, and says so.
        unsafe { table.set(at, registers.physical() | bits) };
        Ok(())
    }

    /// Removes the mapping of the page and gives its frame back; `None` also if it were device registers.
    pub fn unmap(&mut self, page: u64) -> Option<SharedFrame> {
        let (table, at, entry) = self.entry(page)?;
        // SAFETY: only takes a mapping away.
        unsafe { table.set(at, 0) };
        self.forget(page);
        if entry & DEVICE != 0 {
            return None;
        }
        // SAFETY: the entry owned one count of the frame, and is gone.
        let frame = unsafe { SharedFrame::from_raw(entry & ADDRESS) };
        frame.end_mapping(Access::of(entry));
        Some(frame)
    }

    /// Frees the page tables on the way to a page that map nothing any more. Looks at all entries of each: once for
    /// many pages, behind the last of them.
    pub fn free_empty_tables(&mut self, page: u64) {
        if !is_user_page(page) {
            return;
        }
        for level in [2, 3, 4] {
            let mut parent = self.root();
            for above in (level + 1..=4).rev() {
                parent = parent.and_then(|table| table.child(index(page, above)));
            }
            let at = index(page, level);
            let Some((parent, child)) = parent.and_then(|table| Some((table, table.child(at)?))) else {
                continue;
            };
            if (0..ENTRIES).any(|entry| child.get(entry) & PRESENT != 0) {
                return;
            }
            // SAFETY: takes an empty table out of the tree.
            unsafe { parent.set(at, 0) };
            // The processor may remember the way to the table; forgetting any page makes it forget all ways.
            self.forget(page);
            self.tables -= 1;
            // SAFETY: the table was made by `make_leaf` and is not in the tree any more.
            drop(unsafe { SharedFrame::from_raw(child.physical()) });
        }
    }

    /// Changes what ring 3 may do with a mapped page.
    ///
    /// # Errors
    /// [`MapError::Occupied`] if it is not mapped, [`MapError::WriteOrExecute`].
    pub fn protect(&mut self, page: u64, access: Access) -> Result<(), MapError> {
        let (table, at, entry) = self.entry(page).ok_or(MapError::Occupied)?;
        let (frame, _) = self.lookup(page).ok_or(MapError::Occupied)?;
        frame.end_mapping(Access::of(entry));
        if !frame.begin_mapping(access) {
            frame.begin_mapping(Access::of(entry));
            return Err(MapError::WriteOrExecute);
        }
        // SAFETY: the same frame, counted for the new access.
        unsafe { table.set(at, (entry & ADDRESS) | PRESENT | USER | access.bits()) };
        self.forget(page);
        Ok(())
    }

    /// The frame that is mapped at the page, and how; `None` for device registers.
    pub fn lookup(&self, page: u64) -> Option<(SharedFrame, Access)> {
        let (_, _, entry) = self.entry(page).filter(|(_, _, entry)| entry & DEVICE == 0)?;
        // SAFETY: the entry owns a count of the frame, so the frame is shared; the copy gets a count of its own
        // below.
        let owned = unsafe { SharedFrame::from_raw(entry & ADDRESS) };
        let frame = owned.clone();
        owned.into_raw();
        Some((frame, Access::of(entry)))
    }

    /// Frames that its page tables take, the root included.
    pub fn table_frames(&self) -> usize {
        self.tables
    }

    /// Lets ring 3 execute RDTSC (it has a clock mapped) or not, which is the default.
    pub fn set_time_stamp_access(&mut self, allowed: bool) {
        if self.root.is_some() {
            self.key = self.key & !kernel::TIME_STAMP_ACCESS | u64::from(allowed);
        }
    }

    fn forget(&self, page: u64) {
        if self.root.as_ref().is_some_and(|root| kernel::is_loaded(root.physical())) {
            kernel::flush(page);
        }
    }

    /// Makes it the space that ring 3 runs in; false if it is torn down.
    #[inline(always)] // On the way of every switch between processes.
    pub(crate) fn activate(&self) -> bool {
        if self.key != 0 {
            kernel::load(self.key);
        }
        self.key != 0
    }

    /// Releases mappings and page tables in about `budget` steps; true when the space is empty and can only be
    /// dropped. Dropping does what is left. Nothing can be mapped any more below where it has come to.
    pub fn tear_down(&mut self, budget: usize) -> bool {
        // Tables are freed below: the processor must not go on walking them, nor remember the way to one.
        if let Some(root) = &self.root {
            kernel::unload(root.physical());
        }
        for _ in 0..budget {
            let Some(root) = self.root() else {
                return true;
            };
            if self.cursor >= LOWER_HALF_END {
                (self.root, self.key) = (None, 0);
                self.tables = 0;
                return true;
            }
            let next = self.release_at(root, self.cursor);
            self.release_tables(root, self.cursor, next);
            self.cursor = next;
        }
        self.root.is_none()
    }

    /// Releases the page at an address, and says where the next one can be.
    fn release_at(&mut self, root: Table, page: u64) -> u64 {
        let mut table = root;
        for level in [4, 3, 2] {
            match table.child(index(page, level)) {
                Some(child) => table = child,
                None => {
                    let span = 1 << (12 + 9 * (level - 1));
                    let first = index(page, level);
                    let end = ENTRIES.min(first + ENTRIES_PER_STEP);
                    let next = (first + 1..end).find(|at| table.get(*at) & PRESENT != 0).unwrap_or(end);
                    return (page & !(span - 1)) + (next - first) as u64 * span;
                }
            }
        }
        let first = index(page, 1);
        let end = ENTRIES.min(first + ENTRIES_PER_STEP);
        let found = (first..end).find(|at| table.get(*at) & PRESENT != 0);
        let next = page + (found.unwrap_or(end) - first) as u64 * PAGE_BYTES as u64;
        if found.is_none() {
            return next;
        }
        drop(self.unmap(next));
        next + PAGE_BYTES as u64
    }

    /// Frees the tables that cover `page` and not `next` any more, the lowest first.
    fn release_tables(&mut self, root: Table, page: u64, next: u64) {
        for level in [2, 3, 4] {
            let shift = 12 + 9 * (level - 1);
            if page >> shift == next >> shift {
                return;
            }
            let mut parent = Some(root);
            for above in (level + 1..=4).rev() {
                parent = parent.and_then(|table| table.child(index(page, above)));
            }
            if let Some((parent, child)) =
                parent.and_then(|table| table.child(index(page, level)).map(|child| (table, child)))
            {
                // SAFETY: takes an empty table out of the tree.
                unsafe { parent.set(index(page, level), 0) };
                self.tables -= 1;
                // SAFETY: the table was made by `make_leaf` and is not in the tree any more.
                drop(unsafe { SharedFrame::from_raw(child.physical()) });
            }
        }
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        while !self.tear_down(usize::MAX) {}
    }
}
