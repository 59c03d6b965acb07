//! The memory map: where the kernel's tables and copies go, and what the kernel gets.
//!
//! Called by [`crate::start`] and [`crate::handover`].
//!
//! Invariant: regions are whole pages, and no usable one overlaps the stage or the
//! boot image.

use crate::start_info::Range;
use bootloader_api::info::MemoryRegionKind;

const PAGE: u64 = 4096;
/// Each of the three holes splits a range in up to three, and what is taken splits one more.
pub(crate) const REGIONS_MAX: usize = 64 + 8;

/// A region of the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) kind: MemoryRegionKind,
}

/// The map.
pub(crate) struct MemoryMap {
    regions: [Region; REGIONS_MAX],
    count: usize,
}

impl MemoryMap {
    /// The RAM among `ranges`, with the three `holes` (start, end) taken out of it. Only RAM is listed: the kernel has
    /// no use for reserved ranges, and all memory up to the highest one that is listed gets mapped.
    pub(crate) fn new(ranges: &[Range], mut holes: [(u64, u64); 3]) -> MemoryMap {
        holes.sort_unstable();
        let empty = Region { start: 0, end: 0, kind: MemoryRegionKind::Bootloader };
        let mut map = MemoryMap { regions: [empty; REGIONS_MAX], count: 0 };
        for range in ranges.iter().filter(|range| range.is_ram) {
            let mut start = range.start.next_multiple_of(PAGE);
            let end = range.end & !(PAGE - 1);
            for (hole_start, hole_end) in holes {
                let hole_start = (hole_start & !(PAGE - 1)).clamp(start, end.max(start));
                let hole_end = hole_end.next_multiple_of(PAGE).clamp(hole_start, end.max(hole_start));
                if hole_start < hole_end {
                    map.push(start, hole_start, MemoryRegionKind::Usable);
                    map.push(hole_start, hole_end, MemoryRegionKind::Bootloader);
                    start = hole_end;
                }
            }
            map.push(start, end, MemoryRegionKind::Usable);
        }
        map
    }

    fn push(&mut self, start: u64, end: u64, kind: MemoryRegionKind) {
        if start < end && self.count < REGIONS_MAX {
            self.regions[self.count] = Region { start, end, kind };
            self.count += 1;
        }
    }

    /// The regions.
    pub(crate) fn regions(&self) -> impl Iterator<Item = Region> + '_ {
        self.regions[..self.count].iter().copied()
    }

    /// Past the last byte of RAM.
    pub(crate) fn end(&self) -> u64 {
        self.regions().map(|region| region.end).max().unwrap_or(0)
    }

    /// The largest usable region between 1 MiB and 4 GiB, as far as it is there: its first byte, and past the last.
    pub(crate) fn largest_space(&self) -> Option<(u64, u64)> {
        self.regions()
            .filter(|region| region.kind == MemoryRegionKind::Usable)
            .map(|region| (region.start.max(1 << 20), region.end.min(1 << 32)))
            .filter(|(start, end)| start < end)
            .max_by_key(|(start, end)| end - start)
    }

    /// Takes the start of a usable region, up to `end`, out of what is usable.
    pub(crate) fn take(&mut self, start: u64, end: u64) {
        let is_taken = |region: &&mut Region| region.start <= start && end <= region.end;
        let Some(region) = self.regions[..self.count].iter_mut().find(is_taken) else { return };
        let whole = *region;
        region.end = start;
        self.push(start, end, MemoryRegionKind::Bootloader);
        self.push(end, whole.end, MemoryRegionKind::Usable);
    }
}
