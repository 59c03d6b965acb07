//! The message area, in owned blocks.
//!
//! Called by `operation` and `memory`. 128 units of equal size, one bit each; a block is a run of them.
//!
//! Invariant: two live blocks never overlap, so a block's bytes can be borrowed like any owned memory.

use core::cell::Cell;

use super::thread::{self, Thread};

/// Units of an area.
const UNITS: u32 = u128::BITS;

/// Units at the front that belong to the heap's own calls (`memory`): never given out here.
pub(crate) const HEAP_UNITS: u32 = 4;

/// Units behind them that belong to lone calls (`lone`).
const LONE_UNITS: u32 = 32;

/// Which units are free.
pub(crate) struct AreaMap {
    free: Cell<u128>,
    unit_bytes: usize,
    /// Offset and bytes of the piece for lone calls.
    lone_piece: (usize, usize),
}

impl AreaMap {
    /// An area of `bytes`, at least 4 KiB, all free but the units of the heap and of lone calls.
    pub(crate) fn new(bytes: usize) -> AreaMap {
        let unit_bytes = bytes / UNITS as usize;
        AreaMap {
            free: Cell::new(u128::MAX << (HEAP_UNITS + LONE_UNITS)),
            unit_bytes,
            lone_piece: (HEAP_UNITS as usize * unit_bytes, LONE_UNITS as usize * unit_bytes),
        }
    }

    /// Offset and bytes of the piece for lone calls.
    #[inline]
    pub(crate) fn lone_piece(&self) -> (usize, usize) {
        self.lone_piece
    }

    /// Takes a run of units for `bytes`: first unit and their number.
    #[inline]
    fn take(&self, bytes: usize) -> Option<(u32, u32)> {
        let units = u32::try_from(bytes.div_ceil(self.unit_bytes)).ok().filter(|units| *units <= UNITS)?;
        let first = find_run(self.free.get(), units.max(1))?;
        self.free.set(self.free.get() & !mask(first, units.max(1)));
        Some((first, units.max(1)))
    }

    #[inline]
    fn give_back(&self, first: u32, units: u32) {
        self.free.set(self.free.get() | mask(first, units));
    }
}

#[inline]
fn mask(first: u32, units: u32) -> u128 {
    (u128::MAX >> (UNITS - units)) << first
}

/// The first place where `units` (1 to 128) successive bits are set.
#[inline]
fn find_run(free: u128, units: u32) -> Option<u32> {
    let (mut starts, mut length) = (free, 1);
    while length < units {
        let step = length.min(units - length);
        starts &= starts >> step;
        length += step;
    }
    if starts == 0 { None } else { Some(starts.trailing_zeros()) }
}

/// A part of the message area, owned.
pub(crate) struct AreaBlock {
    thread: &'static Thread,
    first: u32,
    units: u32,
}

impl AreaBlock {
    /// A block of at least `bytes`; `None` if there is no room.
    #[inline]
    pub(crate) fn new(bytes: usize) -> Option<AreaBlock> {
        let thread = thread::current();
        let (first, units) = thread.area_map().take(bytes)?;
        Some(AreaBlock { thread, first, units })
    }

    /// Its offset in the area.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.first as usize * self.thread.area_map().unit_bytes
    }

    #[inline]
    fn length(&self) -> usize {
        self.units as usize * self.thread.area_map().unit_bytes
    }

    /// Its bytes, to fill. The kernel must not be working on them: `operation` sees to that.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the units lie inside the area.
        let start = unsafe { self.thread.region().area().byte_add(self.offset()) };
        // SAFETY: the block's bytes are inside the area, initialized by the kernel, and borrowed through this block alone.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), self.length()) }
    }

    /// Its bytes, to read.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the units lie inside the area.
        let start = unsafe { self.thread.region().area().byte_add(self.offset()) };
        // SAFETY: as above; nobody writes them while the block is borrowed.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), self.length()) }
    }
}

impl Drop for AreaBlock {
    #[inline]
    fn drop(&mut self) {
        self.thread.area_map().give_back(self.first, self.units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_and_given_back() {
        let area = AreaMap::new(8192);
        assert_eq!(area.take(1), Some((36, 1)));
        assert_eq!(area.take(65), Some((37, 2)));
        assert_eq!(area.take(0), Some((39, 1)));
        area.give_back(36, 1);
        assert_eq!(area.take(128), Some((40, 2)));
        assert_eq!(area.take(64), Some((36, 1)));
    }

    #[test]
    fn a_full_area_refuses() {
        let area = AreaMap::new(8192);
        assert_eq!(area.take(8192), None);
        assert_eq!(area.take(usize::MAX), None);
        assert_eq!(area.take(92 * 64), Some((36, 92)));
        assert_eq!(area.take(1), None);
    }

    #[test]
    fn runs_of_every_length() {
        for units in 1..=UNITS {
            assert_eq!(find_run(u128::MAX, units), Some(0));
            assert_eq!(find_run(mask(UNITS - units, units), units), Some(UNITS - units));
            assert_eq!(find_run(mask(0, units) & !1, units), None);
        }
    }
}
