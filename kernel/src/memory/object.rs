//! Memory objects: pages that can be read, written, mapped and shared.
//!
//! An object lies in frames of its own, each made at its first touch, or in the boot image in place. Called by the objects
//! MemoryObject, VirtualMemory, BootPackage and ProcessSpawner, and by the page-fault path.
//!
//! Invariant: a sealed object is never written again and has no writable mapping. All pages were charged when the object
//! was made. An object without holders is taken apart by `work`, in bounded steps.

use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::memory::charge::insert;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use alloc::vec::Vec;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::elf::Executable;
use capos_kernel_core::pool::Id;
use capos_kernel_core::storage;
use capos_kernel_hal::frames::{Frame, OutOfMemory, SharedFrame};
use capos_kernel_hal::ramdisk::Ramdisk;

/// Pages whose frames are listed in one piece of heap, made at the first touch of one of them.
const CHUNK_PAGES: usize = 512;
/// Bytes of an object at most: 64 GiB, which bounds the list of chunks.
const OBJECT_BYTES_MAX: u64 = 64 << 30;

type Chunk = Vec<Option<SharedFrame>>;

enum Backing {
    /// A part of the boot image: its first page there.
    Ramdisk { ramdisk: Ramdisk, first: usize },
    /// Frames of its own.
    Frames(Vec<Chunk>),
}

/// A memory object.
pub(crate) struct MemoryObject {
    backing: Backing,
    /// Size as created.
    pub(crate) bytes: u64,
    pub(crate) is_sealed: bool,
    /// Writable mappings of it in all processes.
    pub(crate) writable_mappings: u32,
    /// Capabilities and areas that name it.
    pub(crate) holders: u32,
    /// Who is charged for it.
    pub(crate) account: Option<Id<Process>>,
    /// With how many bytes, besides the record.
    pub(crate) charge: u64,
    /// What a program image says, once a process has been made from it; charged with the object.
    executable: Vec<Executable>,
    /// Frames of its own, which that account backs.
    pub(crate) frames: u64,
}

/// The bytes do not all lie in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutsideObject;

impl MemoryObject {
    /// A sealed object over a part of the boot image, which starts on a page boundary.
    pub(crate) fn of_ramdisk(ramdisk: Ramdisk, offset: u64, bytes: u64) -> MemoryObject {
        let backing = Backing::Ramdisk { ramdisk, first: (offset / PAGE) as usize };
        MemoryObject { is_sealed: true, ..MemoryObject::over(backing, bytes) }
    }

    fn of_zeros(bytes: u64, account: Id<Process>, charge: u64) -> Result<MemoryObject, OutOfMemory> {
        let chunks = storage::filled(chunk_count(bytes) as usize, |_| Vec::new()).map_err(|_| OutOfMemory)?;
        let object = MemoryObject::over(Backing::Frames(chunks), bytes);
        Ok(MemoryObject { account: Some(account), charge, ..object })
    }

    /// An object that nobody holds and nobody is charged for.
    const fn over(backing: Backing, bytes: u64) -> MemoryObject {
        MemoryObject {
            backing,
            bytes,
            is_sealed: false,
            writable_mappings: 0,
            holders: 0,
            account: None,
            charge: 0,
            executable: Vec::new(),
            frames: 0,
        }
    }

    /// Pages, the last one perhaps partly used.
    pub(crate) fn page_count(&self) -> u64 {
        self.bytes.div_ceil(PAGE)
    }

    /// The frame of page `index`, if it has one.
    pub(crate) fn present(&self, index: u64) -> Option<SharedFrame> {
        if index >= self.page_count() {
            return None;
        }
        let index = index as usize;
        match &self.backing {
            Backing::Ramdisk { ramdisk, first } => ramdisk.frame(first + index),
            Backing::Frames(chunks) => chunks.get(index / CHUNK_PAGES)?.get(index % CHUNK_PAGES)?.clone(),
        }
    }

    /// The frame of page `index`, made now if it has none; `None` past the end. The account was asked to back it.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    fn frame(&mut self, index: u64) -> Result<Option<SharedFrame>, OutOfMemory> {
        let present = self.present(index);
        if present.is_some() || index >= self.page_count() {
            return Ok(present);
        }
        let Backing::Frames(chunks) = &mut self.backing else { return Ok(None) };
        let index = index as usize;
        let Some(chunk) = chunks.get_mut(index / CHUNK_PAGES) else { return Ok(None) };
        if chunk.is_empty() {
            let before = index / CHUNK_PAGES * CHUNK_PAGES;
            let length = (self.bytes.div_ceil(PAGE) as usize - before).min(CHUNK_PAGES);
            *chunk = storage::filled(length, |_| None).map_err(|_| OutOfMemory)?;
        }
        let Some(place) = chunk.get_mut(index % CHUNK_PAGES) else { return Ok(None) };
        let frame = Frame::new()?.share();
        *place = Some(frame.clone());
        self.frames += 1;
        Ok(Some(frame))
    }

    /// What the image says, if it was looked at before.
    pub(crate) fn executable(&self) -> Option<&Executable> {
        self.executable.first()
    }

    /// True if the bytes all lie in the object.
    pub(crate) fn contains(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.bytes)
    }

    /// Copies out; pages that were never touched are zeros.
    ///
    /// # Errors
    /// [`OutsideObject`].
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), OutsideObject> {
        if !self.contains(offset, bytes.len() as u64) {
            return Err(OutsideObject);
        }
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = (at % PAGE) as usize;
            let length = rest.len().min(PAGE as usize - start);
            let (piece, others) = rest.split_at_mut(length);
            match self.present(at / PAGE) {
                Some(frame) => frame.read(start, piece).map_err(|_| OutsideObject)?,
                None => piece.fill(0),
            }
            at += length as u64;
            rest = others;
        }
        Ok(())
    }

    /// Frees the frames of one chunk; false when there are none left.
    pub(crate) fn shrink(&mut self) -> bool {
        match &mut self.backing {
            Backing::Ramdisk { .. } => false,
            Backing::Frames(chunks) => chunks.pop().is_some(),
        }
    }
}

fn chunk_count(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE).div_ceil(CHUNK_PAGES as u64)
}

/// What an object of zeros costs besides its record: its pages, and the lists of them.
fn charge_of(bytes: u64) -> u64 {
    let page = PAGE + size_of::<Option<SharedFrame>>() as u64;
    let lists = chunk_count(bytes) * size_of::<Chunk>() as u64;
    bytes.div_ceil(PAGE) * page + lists
}

impl Kernel {
    /// Makes an object of zeros without holders, charged to `account`.
    ///
    /// # Errors
    /// Exception "invalid argument" for no bytes, errors "limit reached" and "out of memory".
    pub(crate) fn create_object(
        &mut self,
        account: Id<Process>,
        bytes: u64,
    ) -> Result<Id<MemoryObject>, CallError> {
        if bytes == 0 {
            return Err(Exception::InvalidArgument.into());
        }
        if bytes > OBJECT_BYTES_MAX {
            return Err(Transport::LimitReached.into());
        }
        let charge = charge_of(bytes);
        self.take_entries(account, Kind::MemoryObject, 1)?;
        if let Err(error) = self.charge(account, charge) {
            self.return_entries(account, Kind::MemoryObject, 1);
            return Err(error.into());
        }
        let object = MemoryObject::of_zeros(bytes, account, charge).ok();
        let id = object.and_then(|object| insert(&mut self.memory_objects, object));
        id.ok_or_else(|| {
            self.refund(account, charge);
            self.return_entries(account, Kind::MemoryObject, 1);
            Transport::OutOfMemory.into()
        })
    }

    /// Makes an object over a part of the boot image, without holders, its record charged to `account`.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn create_part_object(
        &mut self,
        account: Option<Id<Process>>,
        offset: u64,
        bytes: u64,
    ) -> Result<Id<MemoryObject>, Transport> {
        if let Some(account) = account {
            self.take_entries(account, Kind::MemoryObject, 1)?;
        }
        let mut object = MemoryObject::of_ramdisk(self.ramdisk, offset, bytes);
        object.account = account;
        insert(&mut self.memory_objects, object).ok_or_else(|| {
            if let Some(account) = account {
                self.return_entries(account, Kind::MemoryObject, 1);
            }
            Transport::OutOfMemory
        })
    }

    /// Keeps what a sealed object says as an image, for the next process that is made from it. Without memory for it, or
    /// nobody to charge, the next one looks again.
    pub(crate) fn keep_executable(&mut self, id: Id<MemoryObject>, executable: &Executable) {
        const BYTES: u64 = size_of::<Executable>() as u64;
        let Some(object) = self.memory_objects.get(id).filter(|object| object.is_sealed) else { return };
        let Some(account) = object.account else { return };
        let Ok(kept) = storage::filled(1, |_| *executable) else { return };
        if self.charge(account, BYTES).is_ok()
            && let Some(object) = self.memory_objects.get_mut(id)
        {
            object.executable = kept;
            object.charge += BYTES;
        }
    }

    /// The frame of an object's page, made now if it has none; `None` past the end.
    ///
    /// # Errors
    /// [`OutOfMemory`]: whoever is charged for the object has none left, or the machine.
    pub(crate) fn object_frame(
        &mut self,
        id: Id<MemoryObject>,
        index: u64,
    ) -> Result<Option<SharedFrame>, OutOfMemory> {
        let Some(object) = self.memory_objects.get(id) else { return Ok(None) };
        let present = object.present(index);
        if present.is_some() || index >= object.page_count() {
            return Ok(present);
        }
        let account = object.account.ok_or(OutOfMemory)?;
        self.back(account, 1)?;
        let made = self.memory_objects.get_mut(id).map_or(Ok(None), |object| object.frame(index));
        if !matches!(made, Ok(Some(_))) {
            self.unback(account, 1);
        }
        made
    }

    /// One more capability or area names the object.
    pub(crate) fn retain_object(&mut self, object: Id<MemoryObject>) {
        if let Some(object) = self.memory_objects.get_mut(object) {
            object.holders += 1;
        }
    }

    /// One capability or area less names the object; behind the last one `work` takes it apart.
    pub(crate) fn release_object(&mut self, id: Id<MemoryObject>) {
        let Some(object) = self.memory_objects.get_mut(id) else { return };
        object.holders = object.holders.saturating_sub(1);
        if object.holders == 0 {
            self.work.add_object(id);
        }
    }

    /// Does one piece of taking an object apart; true when it is gone.
    pub(crate) fn dismantle_object(&mut self, id: Id<MemoryObject>) -> bool {
        let Some(object) = self.memory_objects.get_mut(id) else { return true };
        if object.shrink() {
            return false;
        }
        let (account, charge, frames) = (object.account, object.charge, object.frames);
        if let Some(account) = account {
            self.refund(account, charge);
            self.return_entries(account, Kind::MemoryObject, 1);
            self.unback(account, frames);
        }
        drop(self.memory_objects.remove(id));
        true
    }
}
