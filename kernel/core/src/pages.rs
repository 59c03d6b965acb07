//! Page ranges: which addresses of a process are set aside, and which are committed.
//!
//! Two sorted sequences over page numbers. [`RangeMap`] keeps whole ranges with what they are (a reservation, a mapping, a
//! segment of an image); [`PageSet`] keeps which pages are committed, as runs that merge and split. Called by the kernel's
//! VirtualMemory object and its page-fault path.
//!
//! Invariant: ranges do not overlap and runs neither overlap nor touch. Lookups take O(log n) steps; changes move at most
//! [`RANGES_MAX`] entries and allocate only in `grow`.

use crate::storage::{self, AllocationRefused};
use alloc::vec::Vec;

/// Ranges of one map, and runs of one set, at most. A bound on the work of an insertion.
pub const RANGES_MAX: usize = 2048;
/// Entries by which a map or a set grows: a small program has few, and there may be thousands of them.
pub const GROWTH: usize = 16;

/// Pages that a page table of the processor covers: 2 MiB.
const TABLE_PAGES: u64 = 512;

/// Page numbers from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The first page.
    pub start: u64,
    /// The page behind the last.
    pub end: u64,
}

impl Pages {
    /// `count` pages from `start`; `None` if they wrap or there are none.
    #[must_use]
    pub const fn new(start: u64, count: u64) -> Option<Pages> {
        match start.checked_add(count) {
            Some(end) if count != 0 => Some(Pages { start, end }),
            _ => None,
        }
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.end - self.start
    }

    /// True for pages that are all in here.
    #[must_use]
    pub const fn contains(&self, other: &Pages) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Page tables of the lowest level that can be needed to map the pages, counted from address 0: the first, and the one
    /// behind the last.
    #[must_use]
    pub const fn leaf_table_range(&self) -> (u64, u64) {
        (self.start / TABLE_PAGES, (self.end - 1) / TABLE_PAGES + 1)
    }

    /// Page-table frames of all levels below the root that can be needed to map the pages, and nobody else needs.
    #[must_use]
    pub const fn table_frames(&self) -> u64 {
        let mut frames = 0;
        let mut span = TABLE_PAGES;
        while span <= TABLE_PAGES * TABLE_PAGES * TABLE_PAGES {
            frames += (self.end - 1) / span - self.start / span + 1;
            span *= TABLE_PAGES;
        }
        frames
    }
}

/// Why a change of a map or set was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// The pages overlap a range that is there.
    Overlap,
    /// There is no room for another entry: grow first.
    Full,
}

/// Ranges with what they are, sorted by address.
pub struct RangeMap<K> {
    ranges: Vec<(Pages, K)>,
}

impl<K> Default for RangeMap<K> {
    fn default() -> RangeMap<K> {
        RangeMap::new()
    }
}

impl<K> RangeMap<K> {
    /// A map without ranges and without room.
    #[must_use]
    pub const fn new() -> RangeMap<K> {
        RangeMap { ranges: Vec::new() }
    }

    /// Bytes that [`RangeMap::grow`] takes from the heap.
    #[must_use]
    pub const fn growth_bytes() -> u64 {
        (GROWTH * size_of::<(Pages, K)>()) as u64
    }

    /// Bytes of the heap that it has.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        (self.ranges.capacity() * size_of::<(Pages, K)>()) as u64
    }

    /// True if `more` insertions need a [`RangeMap::grow`].
    #[must_use]
    pub fn needs_growth(&self, more: usize) -> bool {
        self.ranges.len() + more > self.ranges.capacity()
    }

    /// True if [`RangeMap::grow`] is refused for good.
    #[must_use]
    pub fn is_at_its_largest(&self) -> bool {
        self.ranges.capacity() + GROWTH > RANGES_MAX
    }

    /// Room for [`GROWTH`] more ranges.
    ///
    /// # Errors
    /// [`AllocationRefused`], also at [`RANGES_MAX`].
    pub fn grow(&mut self) -> Result<(), AllocationRefused> {
        grow(&mut self.ranges)
    }

    /// The range that has `page`, and what it is.
    #[must_use]
    pub fn find(&self, page: u64) -> Option<(Pages, &K)> {
        let at = self.after(page).checked_sub(1)?;
        let (pages, kind) = self.ranges.get(at)?;
        if page < pages.end { Some((*pages, kind)) } else { None }
    }

    /// Adds a range.
    ///
    /// # Errors
    /// [`RangeError`]; nothing has changed.
    pub fn insert(&mut self, pages: Pages, kind: K) -> Result<(), RangeError> {
        let at = self.after(pages.start);
        let before = at.checked_sub(1).and_then(|before| self.ranges.get(before));
        let collides = before.is_some_and(|(before, _)| before.end > pages.start)
            || self.ranges.get(at).is_some_and(|(next, _)| next.start < pages.end);
        if collides {
            return Err(RangeError::Overlap);
        }
        if storage::insert(&mut self.ranges, at, (pages, kind)) { Ok(()) } else { Err(RangeError::Full) }
    }

    /// Takes out the range that is exactly `pages`.
    pub fn remove(&mut self, pages: Pages) -> Option<K> {
        let at = self.after(pages.start).checked_sub(1)?;
        if self.ranges.get(at)?.0 != pages {
            return None;
        }
        Some(self.ranges.remove(at).1)
    }

    /// Takes out the last range: the step of a teardown.
    pub fn pop(&mut self) -> Option<(Pages, K)> {
        self.ranges.pop()
    }

    /// The lowest place inside `window` for `count` pages on a multiple of `alignment` pages, with one page free on each
    /// side of it.
    #[must_use]
    pub fn find_gap(&self, window: Pages, count: u64, alignment: u64) -> Option<Pages> {
        let mut candidate = window.start.checked_next_multiple_of(alignment)?;
        for (pages, _) in &self.ranges {
            if pages.end <= window.start {
                continue;
            }
            let end = candidate.checked_add(count)?.checked_add(1)?;
            if end <= pages.start {
                break;
            }
            candidate = candidate.max(pages.end.checked_add(1)?).checked_next_multiple_of(alignment)?;
        }
        let found = Pages::new(candidate, count)?;
        if window.contains(&found) { Some(found) } else { None }
    }

    fn after(&self, page: u64) -> usize {
        self.ranges.partition_point(|(pages, _)| pages.start <= page)
    }
}

/// A set of pages, as runs.
#[derive(Default)]
pub struct PageSet {
    runs: Vec<Pages>,
    table_frames: u64,
}

impl PageSet {
    /// A set without pages and without room.
    #[must_use]
    pub const fn new() -> PageSet {
        PageSet { runs: Vec::new(), table_frames: 0 }
    }

    /// Bytes that [`PageSet::grow`] takes from the heap.
    #[must_use]
    pub const fn growth_bytes() -> u64 {
        (GROWTH * size_of::<Pages>()) as u64
    }

    /// Bytes of the heap that it has.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        (self.runs.capacity() * size_of::<Pages>()) as u64
    }

    /// True if the next insertion or removal can need a [`PageSet::grow`].
    #[must_use]
    pub fn needs_growth(&self) -> bool {
        self.runs.len() == self.runs.capacity()
    }

    /// True if [`PageSet::grow`] is refused for good.
    #[must_use]
    pub fn is_at_its_largest(&self) -> bool {
        self.runs.capacity() + GROWTH > RANGES_MAX
    }

    /// Room for [`GROWTH`] more runs.
    ///
    /// # Errors
    /// [`AllocationRefused`], also at [`RANGES_MAX`].
    pub fn grow(&mut self) -> Result<(), AllocationRefused> {
        grow(&mut self.runs)
    }

    /// True if `page` is in the set.
    #[must_use]
    pub fn contains(&self, page: u64) -> bool {
        let at = self.runs.partition_point(|run| run.end <= page);
        self.runs.get(at).is_some_and(|run| run.start <= page)
    }

    /// Pages of `pages` that are in the set.
    #[must_use]
    pub fn count_within(&self, pages: Pages) -> u64 {
        let first = self.runs.partition_point(|run| run.end <= pages.start);
        let overlap = |run: &Pages| run.end.min(pages.end) - run.start.max(pages.start);
        self.runs[first..].iter().take_while(|run| run.start < pages.end).map(overlap).sum()
    }

    /// The lowest pages of the set inside `pages`, as far as they are one run.
    #[must_use]
    pub fn first_within(&self, pages: Pages) -> Option<Pages> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= pages.start))?;
        let found = Pages { start: run.start.max(pages.start), end: run.end.min(pages.end) };
        if found.start < found.end { Some(found) } else { None }
    }

    /// Page-table frames that the pages of the set can need, at most.
    #[must_use]
    pub fn table_frames(&self) -> u64 {
        self.table_frames
    }

    /// What [`PageSet::table_frames`] would be with `pages` added.
    #[must_use]
    pub fn table_frames_with(&self, pages: Pages) -> u64 {
        let (touched, merged) = self.merge(pages);
        let replaced: u64 = self.runs[touched].iter().map(Pages::table_frames).sum();
        self.table_frames - replaced + merged.table_frames()
    }

    /// Adds `pages`; those that are in stay in.
    ///
    /// # Errors
    /// [`RangeError::Full`]; nothing has changed.
    pub fn insert(&mut self, pages: Pages) -> Result<(), RangeError> {
        let table_frames = self.table_frames_with(pages);
        let (touched, merged) = self.merge(pages);
        if touched.is_empty() {
            if !storage::insert(&mut self.runs, touched.start, merged) {
                return Err(RangeError::Full);
            }
        } else {
            self.runs[touched.start] = merged;
            self.runs.drain(touched.start + 1..touched.end);
        }
        self.table_frames = table_frames;
        Ok(())
    }

    /// Takes `pages` out; those that are out stay out.
    ///
    /// # Errors
    /// [`RangeError::Full`]; nothing has changed.
    pub fn remove(&mut self, pages: Pages) -> Result<(), RangeError> {
        let first = self.runs.partition_point(|run| run.end <= pages.start);
        let last = self.runs.partition_point(|run| run.start < pages.end);
        if first >= last {
            return Ok(());
        }
        let low = Pages { start: self.runs[first].start, end: pages.start };
        let high = Pages { start: pages.end, end: self.runs[last - 1].end };
        let keeps_low = low.start < low.end;
        let keeps_high = high.start < high.end;
        if keeps_low && keeps_high && last - first == 1 {
            if !storage::insert(&mut self.runs, last, high) {
                return Err(RangeError::Full);
            }
            self.table_frames += high.table_frames();
            self.replace(first, low);
            return Ok(());
        }
        if keeps_high {
            self.replace(last - 1, high);
        }
        if keeps_low {
            self.replace(first, low);
        }
        let gone = first + usize::from(keeps_low)..last - usize::from(keeps_high);
        self.table_frames -= self.runs[gone.clone()].iter().map(Pages::table_frames).sum::<u64>();
        self.runs.drain(gone);
        Ok(())
    }

    fn replace(&mut self, at: usize, run: Pages) {
        self.table_frames = self.table_frames - self.runs[at].table_frames() + run.table_frames();
        self.runs[at] = run;
    }

    /// The runs that `pages` overlaps or touches, and the run that they become together.
    fn merge(&self, pages: Pages) -> (core::ops::Range<usize>, Pages) {
        let first = self.runs.partition_point(|run| run.end < pages.start);
        let last = self.runs.partition_point(|run| run.start <= pages.end);
        if first >= last {
            return (first..first, pages);
        }
        let start = self.runs[first].start.min(pages.start);
        let end = self.runs[last - 1].end.max(pages.end);
        (first..last, Pages { start, end })
    }
}

fn grow<T>(entries: &mut Vec<T>) -> Result<(), AllocationRefused> {
    if entries.capacity() + GROWTH > RANGES_MAX {
        return Err(AllocationRefused);
    }
    let more = entries.capacity() - entries.len() + GROWTH;
    storage::reserve(entries, more)
}

#[cfg(test)]
mod tests;
