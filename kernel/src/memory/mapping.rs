//! Mappings of memory objects, and their end when a capability that made them dies.
//!
//! A mapping is a use of the node of the MemoryObject capability with which it was made, and of the CodeMemory capability's
//! if it is executable. When one of them dies, the object's pages leave the address space and the range stays: it reads as
//! zeros, and what its user writes there is the user's own. Called by the objects VirtualMemory and CodeMemory, by
//! revocations, and by `work` for the pieces.
//!
//! Invariant: each area of an object outside a program's image has a record here, and goes with it. What can be written is
//! charged to its user from the start, as pages of the user's own: so they can take the object's place at any time. No thread
//! runs between the first and the last piece of a severing, so nobody sees half of it.

use crate::holdings::Kind;
use crate::kernel::{Kernel, NodeUse};
use crate::memory::area::Area;
use crate::memory::charge::insert;
use crate::memory::object::MemoryObject;
use crate::processes::Process;
use crate::work::PAGES_PER_PIECE;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pages::Pages;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::paging::Access;
use core::num::NonZeroU32;

/// Names a mapping: its place in the pool, counted from 1, so that an area without one takes no more room.
pub(crate) type MappingNumber = NonZeroU32;

/// A mapping.
pub(crate) struct Mapping {
    process: Id<Process>,
    /// Its first page.
    start: u64,
}

/// What is to be mapped, and by which right.
pub(crate) struct Wanted {
    pub(crate) object: Id<MemoryObject>,
    /// Pages of the object.
    pub(crate) pages: Pages,
    pub(crate) access: Access,
    /// The node of the capability to the object.
    pub(crate) node: NodeId,
    /// The node of the capability that permits [`Access::Execute`].
    pub(crate) code: Option<NodeId>,
}

/// A mapping whose pages are being taken away.
pub(crate) struct Severing {
    process: Id<Process>,
    /// What is left of them.
    pages: Pages,
    /// What they were.
    area: Area,
}

impl Kernel {
    /// Maps pages of an object into a process, at the lowest free place; nothing is mapped yet, and the process is charged for
    /// all that a mapping costs. The caller has checked what the capabilities permit.
    ///
    /// # Errors
    /// Exceptions "invalid argument" for pages outside the object or a process without room, "failed" for access that the
    /// object's seal does not allow; errors "limit reached", "out of memory". Nothing has changed then.
    pub(crate) fn map_object(&mut self, id: Id<Process>, wanted: &Wanted) -> Result<Pages, CallError> {
        let Wanted { object, pages, access, .. } = *wanted;
        let found = self.memory_objects.get(object).ok_or(Transport::Disconnected)?;
        if pages.end > found.page_count() {
            return Err(Exception::InvalidArgument.into());
        }
        let is_allowed = match access {
            Access::Read => true,
            Access::ReadWrite => !found.is_sealed,
            Access::Execute => found.is_sealed,
        };
        if !is_allowed {
            return Err(Exception::Failed.into());
        }
        let area = |number| Area::Object { object, first: pages.start, access, mapping: Some(number) };
        let (number, mapped) = self.add_mapping(id, pages.count(), wanted.node, area)?;
        if let Some(code) = wanted.code {
            self.nodes.attach_use(code, NodeUse::Code(number.get() - 1).number());
        }
        self.retain_object(object);
        if let Some(object) = self.memory_objects.get_mut(object) {
            object.writable_mappings += u32::from(access == Access::ReadWrite);
        }
        Ok(mapped)
    }

    /// Maps so many pages of what is mapped whole, at the lowest free place, for as long as `node` lives.
    ///
    /// # Errors
    /// Exception "invalid argument" for a process without room; errors "limit reached", "out of memory". Nothing has changed
    /// then.
    pub(crate) fn map_whole(
        &mut self,
        id: Id<Process>,
        count: u64,
        node: NodeId,
        area: impl FnOnce(MappingNumber) -> Area,
    ) -> Result<Pages, CallError> {
        self.add_mapping(id, count, node, area).map(|(_, mapped)| mapped)
    }

    /// A record and a range for a mapping of so many pages that lives as long as `node`.
    fn add_mapping(
        &mut self,
        id: Id<Process>,
        count: u64,
        node: NodeId,
        area: impl FnOnce(MappingNumber) -> Area,
    ) -> Result<(MappingNumber, Pages), CallError> {
        let number = self.create_mapping(id)?;
        let area = area(number);
        let own = area.own_bytes(count);
        let charged = self.charge(id, own).map_err(CallError::from);
        let added = charged.and_then(|()| {
            let process = self.processes.get_mut(id).ok_or(Transport::Disconnected);
            let added = process.map_err(CallError::from).and_then(|it| it.add_range(count, area, true));
            added.inspect_err(|_| self.refund(id, own))
        });
        let pages = added.inspect_err(|_| self.remove_mapping(number))?;
        if let Some(mapping) = self.mapping(number).and_then(|id| self.mappings.get_mut(id)) {
            mapping.start = pages.start;
        }
        self.nodes.attach_use(node, NodeUse::Mapping(number.get() - 1).number());
        Ok((number, pages))
    }

    /// A record for a mapping in `process`, charged to it.
    fn create_mapping(&mut self, process: Id<Process>) -> Result<MappingNumber, Transport> {
        self.take_entries(process, Kind::Mapping, 1)?;
        let id = insert(&mut self.mappings, Mapping { process, start: 0 });
        id.and_then(|id| MappingNumber::new(id.index() + 1)).ok_or_else(|| {
            self.return_entries(process, Kind::Mapping, 1);
            Transport::OutOfMemory
        })
    }

    /// The mapping is no more.
    pub(crate) fn remove_mapping(&mut self, number: MappingNumber) {
        self.nodes.detach_use(NodeUse::Mapping(number.get() - 1).number());
        self.nodes.detach_use(NodeUse::Code(number.get() - 1).number());
        if let Some(mapping) = self.mapping(number).and_then(|id| self.mappings.remove(id)) {
            self.return_entries(mapping.process, Kind::Mapping, 1);
        }
    }

    fn mapping(&self, number: MappingNumber) -> Option<Id<Mapping>> {
        self.mappings.id_at(number.get() - 1)
    }

    /// A node of the mapping at `index` of the pool has died: its pages go, and nothing else runs before they are gone. No
    /// effect if they went with another node before.
    pub(crate) fn sever(&mut self, index: u32) {
        let mapping = self.mappings.id_at(index).and_then(|id| self.mappings.get(id));
        let Some(Mapping { process: id, start, .. }) = mapping else { return };
        let (id, start) = (*id, *start);
        let Some(process) = self.processes.get_mut(id) else { return };
        let found = process.areas.find(start).map(|(pages, area)| (pages, *area));
        let Some((pages, area)) = found else { return };
        let Some((number, access)) = area.mapping() else { return };
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
