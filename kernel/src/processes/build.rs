//! Making a process out of an image.
//!
//! Called by ProcessSpawner and, for init, by start-up. Nothing of the image is copied or mapped here: areas say what the
//! pages are, and the first touch makes them.
//!
//! Invariant: a process is made whole or not at all; its record, ring, registers, stack, data and page tables are charged to
//! it, and its limit to its creator, before it exists.

use super::exchange::Exchange;
use super::layout::{CAPSET, LOW_UPPER_TABLES, PAGE, RING, STACK_END};
use super::name::Name;
use super::ring::Ring;
use super::thread::{Debt, Thread, ThreadState};
use super::{Outcome, Process, ProcessState};
use crate::billing::Processor;
use crate::holdings::{Holdings, Kind};
use crate::kernel::Kernel;
use crate::memory::area::Area;
use crate::memory::charge::insert;
use crate::memory::object::MemoryObject;
use capos_abi::capset;
use capos_abi::error::Transport;
use capos_abi::outcome::OutcomeKind;
use capos_abi::ring::Layout;
use capos_kernel_core::account::{Account, LimitReached, NothingFree};
use capos_kernel_core::capability::Table;
use capos_kernel_core::elf::{self, ElfError, Executable, HEAD_BYTES, PROGRAM_WINDOW, Segment};
use capos_kernel_core::list::List;
use capos_kernel_core::pages::{PageSet, Pages, RangeError, RangeMap};
use capos_kernel_core::pool::Id;
use capos_kernel_core::share::{Rate, Share};
use capos_kernel_hal::frames::{Frame, OutOfMemory, SharedFrame};
use capos_kernel_hal::paging::{Access, AddressSpace, MapError};
use capos_kernel_hal::user::Context;

/// What is asked for. Sizes are checked by the caller.
pub(crate) struct Request {
    pub(crate) name: Name,
    /// A sealed object with the ELF image.
    pub(crate) image: Id<MemoryObject>,
    /// Bytes.
    pub(crate) memory_limit: u64,
    /// Bytes of that which are set aside.
    pub(crate) memory_reserve: u64,
    /// Whole pages.
    pub(crate) stack_bytes: u64,
    pub(crate) layout: Layout,
    /// Of the processor; 0 for a process that runs on its creator's share.
    pub(crate) weight: u32,
    /// Of the processor at most; only with a weight.
    pub(crate) rate: Option<Rate>,
    /// Whose account the limits are carved out of; none for init.
    pub(crate) parent: Option<Id<Process>>,
}

/// Why no process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildError {
    /// The image is refused.
    Elf(ElfError),
    /// A limit, or no memory.
    Transport(Transport),
}

impl From<LimitReached> for BuildError {
    fn from(_: LimitReached) -> BuildError {
        BuildError::Transport(Transport::LimitReached)
    }
}

impl From<OutOfMemory> for BuildError {
    fn from(_: OutOfMemory) -> BuildError {
        BuildError::Transport(Transport::OutOfMemory)
    }
}

impl From<MapError> for BuildError {
    fn from(error: MapError) -> BuildError {
        match error {
            MapError::OutOfMemory => BuildError::Transport(Transport::OutOfMemory),
            MapError::BadAddress | MapError::Occupied | MapError::WriteOrExecute => {
                BuildError::Elf(ElfError::OutsideWindow)
            }
        }
    }
}

impl From<RangeError> for BuildError {
    fn from(error: RangeError) -> BuildError {
        match error {
            RangeError::Overlap => BuildError::Elf(ElfError::Overlap),
            RangeError::Full => BuildError::Transport(Transport::OutOfMemory),
        }
    }
}

/// The pages of the stack.
fn stack_pages(bytes: u64) -> Pages {
    Pages { start: (STACK_END - bytes) / PAGE, end: STACK_END / PAGE }
}

/// The areas of a segment: what the image has of it, and the zeros behind.
fn areas_of(segment: &Segment, image: Id<MemoryObject>) -> [Option<(Pages, Area)>; 2] {
    let Segment { pages, access, file_page: first, file_bytes } = *segment;
    let access = match access {
        elf::Access::Read => Access::Read,
        elf::Access::Execute => Access::Execute,
        elf::Access::ReadWrite => {
            let middle = pages.start + file_bytes.div_ceil(PAGE);
            let copied = Area::Copy { object: image, first, bytes: file_bytes };
            let part = |start, end, area| if start < end { Some((Pages { start, end }, area)) } else { None };
            return [part(pages.start, middle, copied), part(middle, pages.end, Area::Zeros)];
        }
    };
    [Some((pages, Area::Object { object: image, first, access, mapping: None })), None]
}

/// Page tables of the lowest level that the first GiB needs: neighbours share one.
#[derive(Default)]
struct LowTables {
    /// Behind the last that was counted.
    end: u64,
}

impl LowTables {
    /// Tables that `pages` need beyond those of what was added before, which must lie below.
    fn add(&mut self, pages: Pages) -> u64 {
        let (start, end) = pages.leaf_table_range();
        let more = end - start.max(self.end).min(end);
        self.end = self.end.max(end);
        more
    }
}

impl Process {
    fn new(
        number: u64,
        request: &Request,
        mut account: Account,
        share: Option<Share>,
    ) -> Result<Process, BuildError> {
        account.charge(Process::record_bytes() + Ring::charge(&request.layout))?;
        account.charge(RangeMap::<Area>::growth_bytes())?;
        let mut areas = RangeMap::new();
        areas.grow().map_err(|_| OutOfMemory)?;
        Ok(Process {
            number,
            name: request.name,
            state: ProcessState::Created,
            parent: request.parent,
            children: 0,
            account,
            processor: Processor::new(share),
            holdings: Holdings::default(),
            calls_made: 0,
            calls_served: 0,
            wakes: 0,
            space: Some(AddressSpace::new()?),
            areas,
            committed: PageSet::new(),
            area_tables: LOW_UPPER_TABLES,
            charged_tables: 0,
            backed_tables: 0,
            touched_pages: 0,
            kernel_bytes: 0,
            table: Table::new(),
            capset: None,
            thread: None,
            outcome: Outcome::new(OutcomeKind::Exited, 0),
            waiters: List::EMPTY,
            bound: None,
            parked: List::EMPTY,
            received: List::EMPTY,
            received_first: None,
            direct_caller: None,
            has_minted: false,
            swept: 0,
            searched: 0,
            has_lent: false,
            passed: 0,
            holders: 0,
            starters: 0,
            entries: 0,
            privilege_level: None,
        })
    }

    /// Adds an area of the first GiB; pages that the process will own are charged now. Called in the order of addresses.
    fn add_low_area(&mut self, low: &mut LowTables, pages: Pages, area: Area) -> Result<(), BuildError> {
        if !matches!(area, Area::Object { .. }) {
            self.account.charge(pages.count() * PAGE)?;
        }
        self.area_tables += low.add(pages);
        self.settle_tables()?;
        Ok(self.areas.insert(pages, area)?)
    }

    /// Maps frames that stay for the life of the process: they are no area, so nobody can unmap them.
    /// Called in the order of addresses, behind the areas.
    fn map_fixed(
        &mut self,
        low: &mut LowTables,
        address: u64,
        frames: &[SharedFrame],
        access: Access,
    ) -> Result<(), BuildError> {
        if let Some(pages) = Pages::new(address / PAGE, frames.len() as u64) {
            self.area_tables += low.add(pages);
            self.settle_tables()?;
        }
        let space = self.space.as_mut().ok_or(OutOfMemory)?;
        for (index, frame) in frames.iter().enumerate() {
            space.map(address + index as u64 * PAGE, frame.clone(), access)?;
        }
        Ok(self.settle_tables()?)
    }

    fn add_capset(&mut self, low: &mut LowTables) -> Result<(), BuildError> {
        let mut page = Frame::new()?;
        capset::initialize(page.bytes_mut());
        let page = page.share();
        self.map_fixed(low, CAPSET, core::slice::from_ref(&page), Access::Read)?;
        self.capset = Some(page);
        Ok(())
    }
}

impl Kernel {
    /// What the image says. The first process that is made from an image pays for the look.
    fn read_image(&mut self, image: Id<MemoryObject>) -> Result<Executable, BuildError> {
        let object = self.memory_objects.get(image).ok_or(BuildError::Transport(Transport::Disconnected))?;
        if let Some(known) = object.executable() {
            return Ok(*known);
        }
        let mut head = [0; HEAD_BYTES];
        let length = object.bytes.min(HEAD_BYTES as u64) as usize;
        let head = head.get_mut(..length).unwrap_or(&mut []);
        object.read(0, head).map_err(|_| BuildError::Elf(ElfError::NotElf))?;
        let executable = Executable::parse(head, object.bytes, PROGRAM_WINDOW).map_err(BuildError::Elf)?;
        self.keep_executable(image, &executable);
        Ok(executable)
    }

    /// Makes a process that does not run yet, without holders.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub(crate) fn build_process(&mut self, request: &Request) -> Result<Id<Process>, BuildError> {
        let executable = self.read_image(request.image)?;
        if let Some(parent) = request.parent {
            self.take_entries(parent, Kind::Process, 1).map_err(BuildError::Transport)?;
        }
        let built = self.build_carved(request, &executable);
        if let (Err(_), Some(parent)) = (&built, request.parent) {
            self.return_entries(parent, Kind::Process, 1);
        }
        built
    }

    fn build_carved(
        &mut self,
        request: &Request,
        executable: &Executable,
    ) -> Result<Id<Process>, BuildError> {
        let account = self.carve_account(request)?;
        let share = self.carve_share(request);
        let built = share.and_then(|share| {
            let built = self.build_charged(request, executable, account, share);
            if let (Err(_), Some(share), Some(parent)) = (&built, &share, request.parent)
                && let Some(parent) = self.processes.get(parent)
            {
                self.return_share(parent.processor.share_owner, share);
            }
            built
        });
        let parent = request.parent.and_then(|parent| self.processes.get_mut(parent));
        if let (Err(_), Some(parent)) = (&built, parent) {
            parent.account.give_back(&account, &mut self.pot);
        }
        built
    }

    /// The account that is asked for, carved out of the creator's.
    fn carve_account(&mut self, request: &Request) -> Result<Account, BuildError> {
        let (limit, reserve) = (request.memory_limit, request.memory_reserve);
        let Some(parent) = request.parent else {
            return Account::root(limit, reserve, &mut self.pot).map_err(|NothingFree| OutOfMemory.into());
        };
        let parent = self.processes.get_mut(parent).ok_or(BuildError::Transport(Transport::Disconnected))?;
        Ok(parent.account.carve(limit, reserve, &mut self.pot)?)
    }

    /// The share of the processor that is asked for, carved out of the one on which the creator runs.
    fn carve_share(&mut self, request: &Request) -> Result<Option<Share>, BuildError> {
        let Some(parent) = request.parent else { return Ok(Some(Share::root(request.weight))) };
        if request.weight == 0 {
            return Ok(None);
        }
        let now = self.clock.now();
        let owner = self.processes.get(parent).map(|parent| parent.processor.share_owner);
        let above = owner.and_then(|owner| self.processes.get_mut(owner)?.processor.share.as_mut());
        let share = above.ok_or(LimitReached)?.carve(request.weight, request.rate, now);
        if let (Err(LimitReached), Some(parent)) = (share, self.processes.get_mut(parent)) {
            parent.account.count_refusal();
        }
        Ok(Some(share?))
    }

    /// Backs the frames that a process has before it runs.
    fn back_process(&mut self, process: &mut Process, ring: &Ring) -> Result<(), OutOfMemory> {
        let frames = Process::RECORD_FRAMES + ring.frames().len() as u64;
        process.account.back(frames * PAGE, &mut self.pot).map_err(|NothingFree| OutOfMemory)?;
        process.back_tables(&mut self.pot).map_err(|NothingFree| OutOfMemory)
    }

    fn build_charged(
        &mut self,
        request: &Request,
        executable: &Executable,
        account: Account,
        share: Option<Share>,
    ) -> Result<Id<Process>, BuildError> {
        let mut process = Process::new(self.next_number, request, account, share)?;
        let mut low = LowTables::default();
        let mut image_areas = 0;
        for segment in executable.segments() {
            for (pages, area) in areas_of(&segment, request.image).into_iter().flatten() {
                process.add_low_area(&mut low, pages, area)?;
                image_areas += u32::from(area.object().is_some());
            }
        }
        process.add_low_area(&mut low, stack_pages(request.stack_bytes), Area::Zeros)?;
        let ring = Ring::new(request.layout)?;
        process.map_fixed(&mut low, RING, ring.frames(), Access::ReadWrite)?;
        process.add_capset(&mut low)?;
        // As at the entry of a function: a return address would lie at the stack pointer.
        let context = Context::new(executable.entry, STACK_END - 8, [RING, CAPSET, 0])?;
        let before = self.pot;
        let id = self
            .back_process(&mut process, &ring)
            .and_then(|()| insert(&mut self.processes, process).ok_or(OutOfMemory));
        let id = id.inspect_err(|_| self.pot = before)?;
        let state = ThreadState::Ready;
        let thread = Thread {
            process: id,
            context,
            ring,
            state,
            filling: None,
            wakes: 0,
            operations: List::EMPTY,
            kept_call: None,
            kept_receive: None,
            exchange: Exchange::NONE,
            debt: Debt::None,
        };
        let Some(thread) = insert(&mut self.threads, thread) else {
            drop(self.processes.remove(id));
            self.pot = before;
            return Err(OutOfMemory.into());
        };
        if let Some(process) = self.processes.get_mut(id) {
            process.thread = Some(thread);
        }
        self.open_share(id, request.parent);
        if let Some(parent) = request.parent.and_then(|parent| self.processes.get_mut(parent)) {
            parent.children += 1;
        }
        if let Some(image) = self.memory_objects.get_mut(request.image) {
            image.holders += image_areas;
        }
        self.next_number += 1;
        Ok(id)
    }
}
