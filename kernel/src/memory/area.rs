//! Areas: what a range of a process's addresses is, and how a page of it comes to be.
//!
//! Nothing is mapped when an area is made; each page gets its frame at the first touch, by ring 3 (a page fault) or by a
//! copy of the kernel. Called by the scheduler's page-fault path, by `user` and by the VirtualMemory object.
//!
//! Invariant: only an area with its object readable to the process makes that object's pages appear, with the access that
//! the area says; a page that reads as zeros was never anybody else's. A page of an image's data that nobody has written is
//! the image's own, whatever number of processes read it.

use super::mapping::MappingNumber;
use super::object::MemoryObject;
use crate::devices::{DmaMemory, Session};
use crate::kernel::Kernel;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use capos_kernel_core::pages::Pages;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::frames::{Frame, OutOfMemory, SharedFrame};
use capos_kernel_hal::paging::{Access, MapError};

/// Pages of an object that are mapped at one touch, if they have their frames: a program's code is walked in order, and a
/// fault costs more than ten mappings.
const PAGES_AT_ONCE: u64 = 16;

/// Pages of one page table of the lowest level.
const TABLE_PAGES: u64 = 512;

/// What a range of addresses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Set aside by VirtualMemory; its committed pages are zeros at first.
    Reservation,
    /// A stack or an image's zero-initialized data: zeros at first.
    Zeros,
    /// Pages of a memory object.
    Object {
        /// The object; the area is one of its holders.
        object: Id<MemoryObject>,
        /// The object's page at the start of the area.
        first: u64,
        /// What the process may do with it.
        access: Access,
        /// Of what was mapped through a capability; a program's own image was not.
        mapping: Option<MappingNumber>,
    },
    /// The registers of a device.
    Registers {
        /// The device; the area is one of the holders of its registers.
        session: Session,
        /// Of the capability with which they were mapped.
        mapping: MappingNumber,
    },
    /// Memory that a device can reach.
    Dma {
        /// The memory; the area is one of its holders.
        dma: Id<DmaMemory>,
        /// Of the capability with which it was mapped.
        mapping: MappingNumber,
    },
    /// A mapping that was revoked: zeros at first. What can be written has been charged since it was mapped.
    Severed {
        /// What the process may do with it.
        access: Access,
    },
    /// An image's initialized data: a page is the image's until it is written, and then a copy.
    Copy {
        /// The image; the area is one of its holders.
        object: Id<MemoryObject>,
        /// The image's page at the start of the area.
        first: u64,
        /// Bytes that come from the image.
        bytes: u64,
    },
}

impl Area {
    /// The object that the area holds.
    pub(crate) fn object(&self) -> Option<Id<MemoryObject>> {
        match self {
            Area::Object { object, .. } | Area::Copy { object, .. } => Some(*object),
            _ => None,
        }
    }

    /// The mapping that was made through a capability, and what the process may do with it.
    pub(crate) fn mapping(&self) -> Option<(MappingNumber, Access)> {
        match *self {
            Area::Object { mapping, access, .. } => Some((mapping?, access)),
            Area::Registers { mapping, .. } | Area::Dma { mapping, .. } => Some((mapping, Access::ReadWrite)),
            _ => None,
        }
    }

    /// Bytes with which so many pages are charged to the user besides what is mapped there: the pages of its own that the user
    /// of a writable mapping may need when that is revoked.
    pub(crate) fn own_bytes(&self, pages: u64) -> u64 {
        let access = match *self {
            Area::Severed { access } => Some(access),
            _ => self.mapping().map(|(_, access)| access),
        };
        if access == Some(Access::ReadWrite) { pages * PAGE } else { 0 }
    }

    /// True for what is given up whole: a mapping, also one that was revoked.
    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self, Area::Object { .. } | Area::Severed { .. } | Area::Registers { .. } | Area::Dma { .. })
    }

    /// True if ring 3 can write the object itself through the area.
    pub(crate) fn is_writable_mapping(&self) -> bool {
        matches!(self, Area::Object { access: Access::ReadWrite, .. })
    }
}

/// What is about to be done to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Read it, or execute it.
    Read,
    /// Write to it.
    Write,
}

/// Why a page does not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TouchError {
    /// The process has nothing there, or has it already and with less access.
    NotThere,
    /// There is no frame for it.
    OutOfMemory,
}

impl From<OutOfMemory> for TouchError {
    fn from(_: OutOfMemory) -> TouchError {
        TouchError::OutOfMemory
    }
}

impl Kernel {
    /// Gives the page with number `page` the frame that it needs for what is about to be done.
    ///
    /// # Errors
    /// [`TouchError`].
    pub(crate) fn touch(&mut self, id: Id<Process>, page: u64, touch: Touch) -> Result<(), TouchError> {
        let process = self.processes.get(id).ok_or(TouchError::NotThere)?;
        let (pages, area) = process.areas.find(page).ok_or(TouchError::NotThere)?;
        let area = *area;
        match area {
            Area::Reservation if !process.committed.contains(page) => Err(TouchError::NotThere),
            Area::Reservation | Area::Zeros | Area::Severed { access: Access::ReadWrite } => {
                self.map_own(id, page, Frame::new()?.share())
            }
            Area::Severed { access } => self.map(id, page, self.zeros.clone(), access),
            Area::Object { object, first, access, .. } => {
                self.touch_object(id, page, pages, object, first, access)
            }
            Area::Registers { session, .. } => self.touch_registers(id, page, page - pages.start, session),
            Area::Dma { dma, .. } => {
                let frames = self.dma.get(dma).and_then(|dma| dma.frames.as_ref());
                let frame = frames.and_then(|frames| frames.frame((page - pages.start) as u32));
                self.map(id, page, frame.ok_or(TouchError::NotThere)?, Access::ReadWrite)
            }
            Area::Copy { object, first, bytes } => {
                let index = page - pages.start;
                let bytes = bytes.saturating_sub(index * PAGE);
                // The rest of a last page that is not whole is zeros, and something else in the image.
                if touch == Touch::Read && bytes >= PAGE {
                    self.touch_shared(id, page, object, first + index)
                } else {
                    self.touch_copy(id, page, object, first + index, bytes)
                }
            }
        }
    }

    /// Maps a frame that is the process's alone.
    fn map_own(&mut self, id: Id<Process>, page: u64, frame: SharedFrame) -> Result<(), TouchError> {
        self.back(id, 1)?;
        if let Err(error) = self.map(id, page, frame, Access::ReadWrite) {
            self.unback(id, 1);
            return Err(error);
        }
        if let Some(process) = self.processes.get_mut(id) {
            process.touched_pages += 1;
        }
        Ok(())
    }

    fn touch_object(
        &mut self,
        id: Id<Process>,
        page: u64,
        pages: Pages,
        object: Id<MemoryObject>,
        first: u64,
        access: Access,
    ) -> Result<(), TouchError> {
        let index = first + (page - pages.start);
        let frame = self.object_frame(object, index)?.ok_or(TouchError::NotThere)?;
        self.map(id, page, frame, access)?;
        for ahead in 1..PAGES_AT_ONCE.min(pages.end - page) {
            let object = self.memory_objects.get(object);
            let Some(frame) = object.and_then(|object| object.present(index + ahead)) else { break };
            if self.map(id, page + ahead, frame, access).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn touch_registers(
        &mut self,
        id: Id<Process>,
        page: u64,
        index: u64,
        session: Session,
    ) -> Result<(), TouchError> {
        let driven = self.driven(session).map_err(|_| TouchError::NotThere)?;
        let registers = driven.device.page(index as u32).ok_or(TouchError::NotThere)?;
        let process = self.processes.get_mut(id).ok_or(TouchError::NotThere)?;
        let space = process.space.as_mut().ok_or(TouchError::NotThere)?;
        let mapped = space.map_device(page * PAGE, registers);
        self.finish_map(id, page, mapped)
    }

    /// A page of data that is only read: the image's own, until somebody writes to it.
    fn touch_shared(
        &mut self,
        id: Id<Process>,
        page: u64,
        object: Id<MemoryObject>,
        index: u64,
    ) -> Result<(), TouchError> {
        let frame = self.object_frame(object, index)?.ok_or(TouchError::NotThere)?;
        self.map(id, page, frame, Access::Read)
    }

    /// A page of data that is written: a copy, in place of the image's page if that was there.
    fn touch_copy(
        &mut self,
        id: Id<Process>,
        page: u64,
        object: Id<MemoryObject>,
        index: u64,
        bytes: u64,
    ) -> Result<(), TouchError> {
        let frame = self.copied_page(object, index, bytes)?;
        let space = self.processes.get_mut(id).and_then(|process| process.space.as_mut());
        let space = space.ok_or(TouchError::NotThere)?;
        if space.lookup(page * PAGE).is_some_and(|(_, access)| access == Access::Read) {
            drop(space.unmap(page * PAGE));
        }
        self.map_own(id, page, frame)
    }

    fn copied_page(
        &self,
        object: Id<MemoryObject>,
        index: u64,
        bytes: u64,
    ) -> Result<SharedFrame, TouchError> {
        let object = self.memory_objects.get(object).ok_or(TouchError::NotThere)?;
        let mut frame = Frame::new()?;
        let length = bytes.min(PAGE) as usize;
        if let Some(to) = frame.bytes_mut().get_mut(..length) {
            object.read(index * PAGE, to).map_err(|_| TouchError::NotThere)?;
        }
        Ok(frame.share())
    }

    fn map(
        &mut self,
        id: Id<Process>,
        page: u64,
        frame: SharedFrame,
        access: Access,
    ) -> Result<(), TouchError> {
        let process = self.processes.get_mut(id).ok_or(TouchError::NotThere)?;
        let space = process.space.as_mut().ok_or(TouchError::NotThere)?;
        let mapped = space.map(page * PAGE, frame, access);
        self.finish_map(id, page, mapped)
    }

    /// Charges for the page tables of a mapping that was made just now, or takes it back.
    fn finish_map(
        &mut self,
        id: Id<Process>,
        page: u64,
        mapped: Result<(), MapError>,
    ) -> Result<(), TouchError> {
        mapped.map_err(|error| match error {
            MapError::OutOfMemory => TouchError::OutOfMemory,
            MapError::BadAddress | MapError::Occupied | MapError::WriteOrExecute => TouchError::NotThere,
        })?;
        let process = self.processes.get_mut(id).ok_or(TouchError::NotThere)?;
        if process.settle_tables().is_ok() && process.back_tables(&mut self.pot).is_ok() {
            return Ok(());
        }
        self.unmap_pages(id, Pages { start: page, end: page + 1 });
        Err(TouchError::OutOfMemory)
    }

    /// Takes the mappings of `pages` away; the frames go unless somebody else owns them, and so do page tables that map
    /// nothing any more. The charge for page tables is brought up to date. Returns how many there were.
    pub(crate) fn unmap_pages(&mut self, id: Id<Process>, pages: Pages) -> u64 {
        let Some(process) = self.processes.get_mut(id) else { return 0 };
        let Some(space) = process.space.as_mut() else { return 0 };
        let mut count = 0;
        for page in pages.start..pages.end {
            count += u64::from(space.unmap(page * PAGE).is_some());
            let is_last_of_table = page + 1 == pages.end || (page + 1).is_multiple_of(TABLE_PAGES);
            if is_last_of_table {
                space.free_empty_tables(page * PAGE);
            }
        }
        let settled = process.settle_tables().is_ok() && process.back_tables(&mut self.pot).is_ok();
        debug_assert!(settled);
        count
    }

    /// The end of an area, behind the last of its mappings.
    pub(crate) fn release_area(&mut self, area: &Area) {
        if let Some((mapping, _)) = area.mapping() {
            self.remove_mapping(mapping);
        }
        match *area {
            Area::Registers { session, .. } => self.release_registers(session),
            Area::Dma { dma, .. } => self.release_dma(dma),
            _ => {}
        }
        let Some(object) = area.object() else { return };
        if area.is_writable_mapping()
            && let Some(object) = self.memory_objects.get_mut(object)
        {
            object.writable_mappings = object.writable_mappings.saturating_sub(1);
        }
        self.release_object(object);
    }
}
