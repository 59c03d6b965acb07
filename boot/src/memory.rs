//! The memory map that the loader allocates from and the kernel gets.
//!
//! Called by [`crate::start`]; handed to `bootloader-x86_64-common` as its legacy memory map.
//!
//! Invariant: regions are whole pages, ascending as the machine's map is, and no usable one overlaps the stage or the
//! boot image.

use crate::start_info::Range;
use bootloader_api::info::MemoryRegionKind;
use bootloader_x86_64_common::legacy_memory_region::LegacyMemoryRegion;
use x86_64::PhysAddr;

const PAGE: u64 = 4096;
/// Each of the two holes splits a range in up to three.
const REGIONS_MAX: usize = 64 + 4;

/// A region of the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    start: u64,
    end: u64,
    kind: MemoryRegionKind,
}

impl LegacyMemoryRegion for Region {
    fn start(&self) -> PhysAddr {
        PhysAddr::new(self.start)
    }

    fn len(&self) -> u64 {
        self.end - self.start
    }

    fn kind(&self) -> MemoryRegionKind {
        self.kind
    }

    fn usable_after_bootloader_exit(&self) -> bool {
        self.kind == MemoryRegionKind::Usable
    }
}

/// The map.
pub(crate) struct MemoryMap {
    regions: [Region; REGIONS_MAX],
    count: usize,
}

impl MemoryMap {
    /// The RAM among `ranges`, with the two `holes` (start, end) taken out of it. Only RAM is listed: the kernel has
    /// no use for reserved ranges, and the loader maps all memory up to the highest one that is.
    pub(crate) fn new(ranges: &[Range], mut holes: [(u64, u64); 2]) -> MemoryMap {
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

    /// The regions, as the loader wants them.
    pub(crate) fn regions(&self) -> impl ExactSizeIterator<Item = Region> + Clone + '_ {
        self.regions[..self.count].iter().copied()
    }

    /// The lowest address at or above `from` where `bytes` fit in one usable region below 4 GiB.
    pub(crate) fn find_space(&self, from: u64, bytes: u64) -> Option<u64> {
        self.regions()
            .filter(|region| region.kind == MemoryRegionKind::Usable)
            .map(|region| (region.start.max(from), region.end.min(1 << 32)))
            .find(|(start, end)| start.checked_add(bytes).is_some_and(|past| past <= *end))
            .map(|(start, _)| start)
    }
}
