//! Mappings of memory objects, and their end when the capability that made them dies.
//!
//! A mapping is a use of the node of the MemoryObject capability with which it was made. When that node dies, the object's
//! pages leave the address space and the range stays: it reads as zeros, and what its user writes there is the user's own.
//! Called by the VirtualMemory object, by revocations, and by `work` for the pieces.
//!
//! Invariant: each area of an object outside a program's image has a record here, and goes with it. No thread runs
//! between the first and the last piece of a severing, so nobody sees half of it.

use crate::kernel::{Kernel, NodeUse};
use crate::memory::area::Area;
use crate::memory::charge::insert;
use crate::processes::Process;
use crate::work::PAGES_PER_PIECE;
use capos_abi::error::Transport;
use capos_kernel_core::derivation::{NodeId, USE_BYTES};
use capos_kernel_core::pages::Pages;
use capos_kernel_core::pool::{Id, Pool};
use core::num::NonZeroU32;

/// Names a mapping: its place in the pool, counted from 1, so that an area without one takes no more room.
pub(crate) type MappingNumber = NonZeroU32;

/// A mapping.
pub(crate) struct Mapping {
    process: Id<Process>,
    /// Its first page.
    start: u64,
}

/// A mapping whose pages are being taken away.
pub(crate) struct Severing {
    process: Id<Process>,
    /// What is left of them.
    pages: Pages,
    /// What they were.
    area: Area,
}

/// Bytes that a mapping costs: its record, and its place in the derivation tree.
const MAPPING_BYTES: u64 = Pool::<Mapping>::entry_bytes() + USE_BYTES;

impl Kernel {
    /// A record for a mapping in `process`, charged to it.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn create_mapping(&mut self, process: Id<Process>) -> Result<MappingNumber, Transport> {
        self.charge(process, MAPPING_BYTES)?;
        let id = insert(&mut self.mappings, Mapping { process, start: 0 });
        id.and_then(|id| MappingNumber::new(id.index() + 1)).ok_or_else(|| {
            self.refund(process, MAPPING_BYTES);
            Transport::OutOfMemory
        })
    }

    /// The mapping is at `pages`, and lives as long as `node`.
    pub(crate) fn begin_mapping(&mut self, number: MappingNumber, pages: Pages, node: NodeId) {
        if let Some(mapping) = self.mapping(number).and_then(|id| self.mappings.get_mut(id)) {
            mapping.start = pages.start;
        }
        self.nodes.attach_use(node, NodeUse::Mapping(number.get() - 1).number());
    }

    /// The mapping is no more.
    pub(crate) fn remove_mapping(&mut self, number: MappingNumber) {
        self.nodes.detach_use(NodeUse::Mapping(number.get() - 1).number());
        if let Some(mapping) = self.mapping(number).and_then(|id| self.mappings.remove(id)) {
            self.refund(mapping.process, MAPPING_BYTES);
        }
    }

    fn mapping(&self, number: MappingNumber) -> Option<Id<Mapping>> {
        self.mappings.id_at(number.get() - 1)
    }

    /// The node of the mapping at `index` of the pool has died: its pages go, and nothing else runs before they are gone.
    pub(crate) fn sever(&mut self, index: u32) {
        let mapping = self.mappings.id_at(index).and_then(|id| self.mappings.get(id));
        let Some(Mapping { process: id, start }) = mapping else { return };
        let (id, start) = (*id, *start);
        let Some(process) = self.processes.get_mut(id) else { return };
        let found = process.areas.find(start).map(|(pages, area)| (pages, *area));
        let Some((pages, area @ Area::Object { access, mapping: Some(number), .. })) = found else { return };
        if number.get() - 1 != index {
            return;
        }
        process.areas.remove(pages);
        // The room of what was just taken out.
        let replaced = process.areas.insert(pages, Area::Severed { access });
        debug_assert!(replaced.is_ok());
        self.work.severing = Some(Severing { process: id, pages, area });
    }

    /// Takes a piece of a severed mapping's pages away; false if there is none.
    pub(crate) fn continue_severing(&mut self) -> bool {
        let Some(mut severing) = self.work.severing.take() else { return false };
        let Pages { start, end } = severing.pages;
        let piece = Pages { start, end: end.min(start + PAGES_PER_PIECE) };
        self.unmap_pages(severing.process, piece);
        severing.pages.start = piece.end;
        if piece.end < end {
            self.work.severing = Some(severing);
        } else {
            self.release_area(&severing.area);
        }
        true
    }
}
