//! VirtualMemory: the right to arrange one address space.
//!
//! Specified by `schema/interfaces/virtual_memory.capnp`. Called by `invoke`, often by a parent for a child that does not
//! run yet. The pages themselves come at the first touch: `memory::area`.
//!
//! Invariant: only ranges inside [`SMALL_WINDOW`] and [`MEMORY_WINDOW`] are made and unmade here, each inside one reservation or mapping; a
//! commit is charged, page tables included, before it is made.

use crate::calls::message::{SMALL, malformed};
use crate::calls::operation::Parked;
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::memory::area::Area;
use crate::memory::mapping::Wanted;
use crate::objects::Object;
use crate::processes::layout::{MEMORY_WINDOW, PAGE, SMALL_WINDOW, is_arranged};
use crate::processes::{Process, ProcessState};
use crate::work::Unmapping;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::pages::{PageSet, Pages, RangeMap};
use capos_kernel_core::pool::Id;
use capos_kernel_hal::paging::Access;
use capos_schema::memory_object::MemoryObject;
use capos_schema::virtual_memory::{
    VirtualMemory, VirtualMemoryCommitParams, VirtualMemoryCreateObjectParams,
    VirtualMemoryCreateObjectResults, VirtualMemoryDecommitParams, VirtualMemoryMapParams,
    VirtualMemoryMapResults, VirtualMemoryReserveParams, VirtualMemoryReserveResults,
    VirtualMemoryUnmapParams, VirtualMemoryUsageResults,
};

/// Pages from which on a range starts at a multiple of 2 MiB, so that it needs as few page tables as it can.
const LARGE_PAGES: u64 = 512;
/// Pieces of work that a call does itself: small ranges are done when it returns.
const PIECES_AT_ONCE: u32 = 2;

/// A range of whole pages, from what a message says.
///
/// # Errors
/// Exception "invalid argument": not on page boundaries, empty, or it wraps.
pub(crate) fn whole_pages(address: u64, length: u64) -> Result<Pages, Exception> {
    if !address.is_multiple_of(PAGE) || !length.is_multiple_of(PAGE) {
        return Err(Exception::InvalidArgument);
    }
    Pages::new(address / PAGE, length / PAGE).ok_or(Exception::InvalidArgument)
}

impl Process {
    /// Adds a range at the lowest free place, charged for its entry and, if `has_tables`, for its page tables.
    ///
    /// # Errors
    /// Exception "invalid argument" without room, errors "limit reached", "out of memory"; nothing has changed then.
    pub(crate) fn add_range(&mut self, count: u64, area: Area, has_tables: bool) -> Result<Pages, CallError> {
        let alignment = if count >= LARGE_PAGES { LARGE_PAGES } else { 1 };
        let small = if count < LARGE_PAGES { self.areas.find_gap(SMALL_WINDOW, count, 1) } else { None };
        let found = small.or_else(|| self.areas.find_gap(MEMORY_WINDOW, count, alignment));
        let pages = found.ok_or(Exception::InvalidArgument)?;
        if self.areas.needs_growth(1) {
            if self.areas.is_at_its_largest() {
                return Err(Transport::LimitReached.into());
            }
            let bytes = RangeMap::<Area>::growth_bytes();
            self.account.charge(bytes).map_err(|_| Transport::LimitReached)?;
            if self.areas.grow().is_err() {
                self.account.refund(bytes);
                return Err(Transport::OutOfMemory.into());
            }
        }
        let tables = if has_tables { pages.table_frames() } else { 0 };
        self.area_tables += tables;
        if self.settle_tables().is_err() {
            self.area_tables -= tables;
            return Err(Transport::LimitReached.into());
        }
        self.areas.insert(pages, area).map_err(|_| Exception::Failed)?;
        Ok(pages)
    }

    /// The reservation that has all of `pages`.
    fn reservation(&self, pages: Pages) -> Result<Pages, Exception> {
        match self.areas.find(pages.start) {
            Some((found, Area::Reservation)) if found.contains(&pages) => Ok(found),
            _ => Err(Exception::InvalidArgument),
        }
    }

    fn grow_committed(&mut self) -> Result<(), Transport> {
        if !self.committed.needs_growth() {
            return Ok(());
        }
        if self.committed.is_at_its_largest() {
            return Err(Transport::LimitReached);
        }
        let bytes = PageSet::growth_bytes();
        self.account.charge(bytes).map_err(|_| Transport::LimitReached)?;
        self.committed.grow().map_err(|_| {
            self.account.refund(bytes);
            Transport::OutOfMemory
        })
    }

    fn commit(&mut self, pages: Pages) -> Result<(), CallError> {
        self.reservation(pages)?;
        self.grow_committed()?;
        let bytes = (pages.count() - self.committed.count_within(pages)) * PAGE;
        self.account.charge(bytes).map_err(|_| Transport::LimitReached)?;
        let before = self.committed.table_frames();
        let more = self.committed.table_frames_with(pages).saturating_sub(before);
        self.area_tables += more;
        let settled = self.settle_tables();
        self.area_tables -= more;
        if settled.is_err() {
            self.account.refund(bytes);
            return Err(Transport::LimitReached.into());
        }
        self.committed.insert(pages).map_err(|_| Exception::Failed)?;
        Ok(())
    }
}

impl Kernel {
    pub(crate) fn call_virtual_memory(
        &mut self,
        call: &Call<'_>,
        id: Id<Process>,
    ) -> Result<Answer, CallError> {
        let process = self.arranged_process(id)?;
        match call.origin.submission.method {
            VirtualMemory::RESERVE => self.reserve(call, id),
            VirtualMemory::COMMIT => self.commit(call, id),
            VirtualMemory::DECOMMIT => self.decommit(call, id),
            VirtualMemory::UNMAP => self.unmap(call, id),
            VirtualMemory::MAP => self.map_for(call, id),
            VirtualMemory::CREATE_OBJECT => self.create_object_for(call, id),
            VirtualMemory::USAGE => {
                let (committed, limit) = (process.account.used(), process.account.limit());
                self.reply(call.origin, |out| VirtualMemoryUsageResults { committed, limit }.encode(out))
            }
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    /// The process whose address space is arranged: one that has not begun to end.
    ///
    /// # Errors
    /// "disconnected".
    pub(crate) fn arranged_process(&self, id: Id<Process>) -> Result<&Process, Transport> {
        let is_there =
            |process: &&Process| matches!(process.state, ProcessState::Created | ProcessState::Running);
        self.processes.get(id).filter(is_there).ok_or(Transport::Disconnected)
    }

    fn memory_process(&mut self, id: Id<Process>) -> Result<&mut Process, Transport> {
        self.processes.get_mut(id).ok_or(Transport::Disconnected)
    }

    fn reserve(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryReserveParams { length } =
            VirtualMemoryReserveParams::decode(message.bytes()).map_err(malformed)?;
        let wanted = whole_pages(0, length)?;
        self.prepare_reply(call, VirtualMemoryReserveResults::FIXED_BYTES, 0)?;
        let pages = self.memory_process(id)?.add_range(wanted.count(), Area::Reservation, false)?;
        let address = pages.start * PAGE;
        self.reply(call.origin, |out| VirtualMemoryReserveResults { address }.encode(out))
    }

    fn commit(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryCommitParams { address, length } =
            VirtualMemoryCommitParams::decode(message.bytes()).map_err(malformed)?;
        let pages = whole_pages(address, length)?;
        self.memory_process(id)?.commit(pages)?;
        Ok(Answer::DONE)
    }

    fn decommit(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryDecommitParams { address, length } =
            VirtualMemoryDecommitParams::decode(message.bytes()).map_err(malformed)?;
        let pages = whole_pages(address, length)?;
        let process = self.memory_process(id)?;
        process.reservation(pages)?;
        // Taking pages out of the middle of a run makes two of it.
        process.grow_committed()?;
        self.start_unmapping(call, id, pages, None)
    }

    fn unmap(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryUnmapParams { address, length } =
            VirtualMemoryUnmapParams::decode(message.bytes()).map_err(malformed)?;
        let pages = whole_pages(address, length)?;
        let process = self.memory_process(id)?;
        let found = process.areas.find(pages.start).map(|(found, area)| (found, *area));
        let Some((_, area)) = found.filter(|(found, _)| *found == pages && is_arranged(found)) else {
            return Err(Exception::InvalidArgument.into());
        };
        self.start_unmapping(call, id, pages, Some(area))
    }

    /// Makes an operation of the unmapping and does its first pieces; small ones are complete then.
    fn start_unmapping(
        &mut self,
        call: &Call<'_>,
        id: Id<Process>,
        pages: Pages,
        area: Option<Area>,
    ) -> Result<Answer, CallError> {
        let operation = self.park(call.origin, Parked::Unmapping, None)?;
        if let Some(area) = area {
            let process = self.memory_process(id)?;
            process.areas.remove(pages);
            if area.is_mapping() {
                process.area_tables = process.area_tables.saturating_sub(pages.table_frames());
            }
        }
        self.work.unmapping = Some(Unmapping { process: id, pages, area, operation });
        for _ in 0..PIECES_AT_ONCE {
            self.continue_unmapping();
        }
        Ok(Answer::Parked)
    }

    fn map_for(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryMapParams { object, offset, length, writable } =
            VirtualMemoryMapParams::decode(message.bytes()).map_err(malformed)?;
        let capability = self.sent(call, object)?;
        let Object::MemoryObject(object) = capability.object else {
            return Err(Transport::WrongInterface.into());
        };
        let is_permitted =
            capability.permits(MemoryObject::READ) && (!writable || capability.permits(MemoryObject::WRITE));
        if !is_permitted {
            return Err(Transport::MethodDenied.into());
        }
        let pages = whole_pages(offset, length)?;
        self.prepare_reply(call, VirtualMemoryMapResults::FIXED_BYTES, 0)?;
        let access = if writable { Access::ReadWrite } else { Access::Read };
        let wanted = Wanted { object, pages, access, node: capability.node, code: None };
        let mapped = self.map_object(id, &wanted)?;
        let address = mapped.start * PAGE;
        self.reply(call.origin, |out| VirtualMemoryMapResults { address }.encode(out))
    }

    fn create_object_for(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let VirtualMemoryCreateObjectParams { bytes } =
            VirtualMemoryCreateObjectParams::decode(message.bytes()).map_err(malformed)?;
        self.prepare_reply(call, VirtualMemoryCreateObjectResults::FIXED_BYTES, 1)?;
        let object = match self.create_object(id, bytes) {
            Ok(object) => object,
            Err(error) => {
                self.cancel_slots(call.origin.process, 1);
                return Err(error);
            }
        };
        let gift = Gift::of::<MemoryObject>(Object::MemoryObject(object), MemoryObject::ALL_METHODS);
        self.give(call, 0, gift)?;
        let results = VirtualMemoryCreateObjectResults { object: Some(0) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(1))
    }
}
