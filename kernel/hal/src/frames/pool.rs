//! The free frames, and the counts of every frame.
//!
//! Called by [`crate::frames`] and the start-up code.
//!
//! Invariant: a frame is in exactly one place: never handed out yet (above a region's `next`), on the free list
//! (linked through its counts), in a free row, or in use with at least one owner.

use crate::PAGE_BYTES;
use crate::paging::{Access, DIRECT_MAP};
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use spin::Mutex;

/// Regions of usable memory that are used at most; machines have a handful.
const REGIONS_MAX: usize = 32;
/// Rows that are kept as such when they are free, at most.
const ROWS_MAX: usize = 64;
/// Memory below is left to firmware tables and to the start of other processors.
const LOWEST_ADDRESS: u64 = 0x10_0000;
const FRAME: u64 = PAGE_BYTES as u64;

/// The counts of a frame.
#[repr(C)]
pub(crate) struct Counts {
    /// Owners; a number that has reached the maximum stays there, and the frame is never freed.
    owners: AtomicU32,
    /// In use: mappings that are writable (positive), or executable (negative, a seal counts as one).
    /// Free: the number of the next free frame, 0 for none.
    mappings: AtomicI32,
}

impl Counts {
    pub(super) fn add_owner(&self) {
        self.owners.store(self.owners().saturating_add(1), Ordering::Relaxed);
    }

    /// True if that was the last one.
    pub(super) fn remove_owner(&self) -> bool {
        let owners = self.owners();
        if owners != u32::MAX {
            self.owners.store(owners - 1, Ordering::Relaxed);
        }
        owners == 1
    }

    pub(super) fn owners(&self) -> u32 {
        self.owners.load(Ordering::Relaxed)
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.owners() == u32::MAX
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.mappings.load(Ordering::Relaxed) < 0
    }

    pub(super) fn writable_mappings(&self) -> u32 {
        self.mappings.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    pub(super) fn executable_mappings(&self) -> u32 {
        let mappings = self.mappings.load(Ordering::Relaxed);
        mappings.min(0).unsigned_abs().saturating_sub(u32::from(self.is_sealed()))
    }

    pub(super) fn begin_mapping(&self, access: Access) -> bool {
        let mappings = self.mappings.load(Ordering::Relaxed);
        let changed = match access {
            Access::Read => Some(mappings),
            Access::ReadWrite if mappings >= 0 => mappings.checked_add(1),
            Access::Execute if mappings <= 0 => mappings.checked_sub(1),
            Access::ReadWrite | Access::Execute => None,
        };
        changed.inspect(|changed| self.mappings.store(*changed, Ordering::Relaxed)).is_some()
    }

    pub(super) fn end_mapping(&self, access: Access) {
        let change = match access {
            Access::Read => 0,
            Access::ReadWrite => -1,
            Access::Execute => 1,
        };
        self.mappings.store(self.mappings.load(Ordering::Relaxed) + change, Ordering::Relaxed);
    }
}

/// Frames in a row that are free: of a region, those that have not been handed out yet.
#[derive(Clone, Copy)]
struct Run {
    next: u32,
    end: u32,
}

struct Pool {
    fresh: [Run; REGIONS_MAX],
    /// The first free frame that was in use before; 0 for none.
    first_free: u32,
    free: usize,
    total: usize,
    /// Rows that were in use as such and are free; the first so many.
    rows: [Run; ROWS_MAX],
    row_count: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    fresh: [Run { next: 0, end: 0 }; REGIONS_MAX],
    first_free: 0,
    free: 0,
    total: 0,
    rows: [Run { next: 0, end: 0 }; ROWS_MAX],
    row_count: 0,
});
/// Physical address of the array of counts, one for each frame up to the end of RAM; set once.
static COUNTS: AtomicU64 = AtomicU64::new(0);
/// Allocations until one is refused, for tests; 0 for never.
static REFUSE_AFTER: AtomicU64 = AtomicU64::new(0);

/// The counts of a frame of RAM. Those of a frame that was never handed out are whatever was in that memory: they are
/// set when it is, and not looked at before.
pub(super) fn counts(frame: NonZeroU32) -> &'static Counts {
    let array = (DIRECT_MAP + COUNTS.load(Ordering::Relaxed)) as *const Counts;
    // SAFETY: frames are made from the memory map alone, and the array has an element for each frame up to its end.
    unsafe { &*array.wrapping_add(frame.get() as usize) }
}

/// Takes over the usable memory of the memory map; false if there is too little for the counts.
///
/// # Safety
/// Called once, at start-up; usable regions are RAM that nobody uses, mapped at [`DIRECT_MAP`].
pub(crate) unsafe fn initialize(regions: &[MemoryRegion]) -> bool {
    let mut pool = POOL.lock();
    let mut end_of_memory = 0;
    let mut used = 0;
    for region in regions {
        end_of_memory = end_of_memory.max(region.end);
        let next = region.start.max(LOWEST_ADDRESS).div_ceil(FRAME) as u32;
        let end = (region.end / FRAME) as u32;
        if region.kind == MemoryRegionKind::Usable && next < end && used < REGIONS_MAX {
            pool.fresh[used] = Run { next, end };
            used += 1;
        }
    }
    let bytes = (end_of_memory / FRAME + 1) * size_of::<Counts>() as u64;
    let Some(first) = pool.take_contiguous(bytes.div_ceil(FRAME) as u32) else {
        return false;
    };
    let address = u64::from(first.get()) * FRAME;
    COUNTS.store(address, Ordering::Relaxed);
    pool.total = pool.fresh.iter().map(|fresh| (fresh.end - fresh.next) as usize).sum();
    pool.free = pool.total;
    true
}

impl Pool {
    fn take_contiguous(&mut self, count: u32) -> Option<NonZeroU32> {
        let fresh = self.fresh.iter_mut().find(|fresh| fresh.end - fresh.next >= count)?;
        let first = NonZeroU32::new(fresh.next)?;
        fresh.next += count;
        self.free = self.free.saturating_sub(count as usize);
        Some(first)
    }

    /// Frames in a row of the smallest free row that has as many.
    fn take_from_rows(&mut self, count: u32) -> Option<NonZeroU32> {
        let rows = self.rows.get_mut(..self.row_count)?;
        let row =
            rows.iter_mut().filter(|row| row.end - row.next >= count).min_by_key(|row| row.end - row.next)?;
        let first = NonZeroU32::new(row.next)?;
        row.next += count;
        self.free = self.free.saturating_sub(count as usize);
        if let Some(empty) = rows.iter().position(|row| row.next == row.end) {
            rows.swap(empty, rows.len() - 1);
            self.row_count -= 1;
        }
        Some(first)
    }

    fn take(&mut self) -> Option<NonZeroU32> {
        let Some(frame) = NonZeroU32::new(self.first_free) else {
            return self.take_contiguous(1).or_else(|| self.take_from_rows(1));
        };
        self.first_free = counts(frame).mappings.load(Ordering::Relaxed).cast_unsigned();
        self.free -= 1;
        Some(frame)
    }
}

/// Frames in a row, each with one owner and no mapping, with whatever they held before: of a row that was one before, or
/// of memory that was never used.
pub(super) fn allocate_row(count: u32) -> Option<NonZeroU32> {
    if is_refused() {
        return None;
    }
    let mut pool = POOL.lock();
    let first = pool.take_from_rows(count).or_else(|| pool.take_contiguous(count))?;
    for frame in (first.get()..first.get() + count).filter_map(NonZeroU32::new) {
        let counts = counts(frame);
        counts.owners.store(1, Ordering::Relaxed);
        counts.mappings.store(0, Ordering::Relaxed);
    }
    Some(first)
}

/// Takes a row back whose frames have one owner each and no mapping; false if there is no place for it.
pub(super) fn release_row(first: NonZeroU32, count: u32) -> bool {
    let mut pool = POOL.lock();
    let place = pool.row_count;
    let Some(row) = pool.rows.get_mut(place) else { return false };
    *row = Run { next: first.get(), end: first.get() + count };
    pool.row_count += 1;
    pool.free += count as usize;
    true
}

/// A frame with one owner and no mapping, with whatever it held before.
pub(super) fn allocate() -> Option<NonZeroU32> {
    if is_refused() {
        return None;
    }
    let frame = POOL.lock().take()?;
    let counts = counts(frame);
    counts.owners.store(1, Ordering::Relaxed);
    counts.mappings.store(0, Ordering::Relaxed);
    Some(frame)
}

/// Frames in a row that were never handed out, for the start-up code; not counted among those that can be allocated.
pub(crate) fn allocate_contiguous(count: u32) -> Option<u64> {
    let mut pool = POOL.lock();
    let first = pool.take_contiguous(count)?;
    pool.total = pool.total.saturating_sub(count as usize);
    Some(u64::from(first.get()) * FRAME)
}

/// Puts a frame on the free list.
pub(super) fn release(frame: NonZeroU32) {
    let mut pool = POOL.lock();
    let counts = counts(frame);
    counts.owners.store(0, Ordering::Relaxed);
    counts.mappings.store(pool.first_free.cast_signed(), Ordering::Relaxed);
    pool.first_free = frame.get();
    pool.free += 1;
}

/// Makes a frame of the boot image one that is never written and never freed.
///
/// # Safety
/// The frame is RAM, and nobody has a mutable reference into it, now or later.
pub(crate) unsafe fn seal(physical: u64) {
    if let Some(frame) = NonZeroU32::new((physical / FRAME) as u32) {
        counts(frame).owners.store(u32::MAX, Ordering::Relaxed);
        counts(frame).mappings.store(-1, Ordering::Relaxed);
    }
}

/// Frames that can be allocated now.
pub fn free_count() -> usize {
    POOL.lock().free
}

/// Frames that could be allocated when nothing was.
pub fn total_count() -> usize {
    POOL.lock().total
}

/// A test hook: refuses the `n`th allocation from now (1 is the next), of frames and of the heap alike; the others
/// succeed. `None` switches it off.
pub fn fail_allocation(n: Option<u64>) {
    REFUSE_AFTER.store(n.unwrap_or(0), Ordering::Relaxed);
}

/// The place of the allocation that [`fail_allocation`] refuses, counted from now; 0 if it is switched off or was
/// refused.
pub fn refusal_ahead() -> u64 {
    REFUSE_AFTER.load(Ordering::Relaxed)
}

/// Counts an allocation for [`fail_allocation`]; true if it is to be refused. Frames and the heap ask themselves; the
/// kernel asks for an entry of a pool of its own.
#[must_use]
pub fn is_refused() -> bool {
    let left = REFUSE_AFTER.load(Ordering::Relaxed);
    if left == 0 {
        return false;
    }
    REFUSE_AFTER.store(left - 1, Ordering::Relaxed);
    left == 1
}
