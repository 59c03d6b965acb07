//! Work that is left over: what a call, a release or an end started and is too long for one entry.
//!
//! The scheduler does it piece by piece, lets interrupts come between two pieces, and shares the processor between it and
//! the threads. Whoever left something over waits for it, so what was given up is free when the thread that did it goes on;
//! others go on meanwhile, unless address spaces change. Called by the scheduler; fed by releases, by endpoints, by
//! VirtualMemory and by ends of processes.
//!
//! Invariant: each piece is a bounded amount of work, and nothing recurses. Nodes and objects are finished before a
//! process that ends is looked at again, so when a process has ended everything it held is free.

use crate::calls::operation::Operation;
use crate::endpoints::Endpoint;
use crate::kernel::Kernel;
use crate::memory::area::Area;
use crate::memory::mapping::Severing;
use crate::memory::object::MemoryObject;
use crate::processes::Process;
use crate::processes::end::EndStep;
use crate::processes::layout::PAGE;
use crate::processes::thread::Debt;
use capos_kernel_core::derivation::Step;
use capos_kernel_core::list::{Links, List};
use capos_kernel_core::pages::Pages;
use capos_kernel_core::pool::Id;
use capos_kernel_core::storage::AllocationRefused;
use capos_kernel_hal::paging::Access;

/// Pages that one piece of work unmaps.
pub(crate) const PAGES_PER_PIECE: u64 = 64;

/// A range of addresses that is being given up.
pub(crate) struct Unmapping {
    /// Whose.
    pub(crate) process: Id<Process>,
    /// What is left of it.
    pub(crate) pages: Pages,
    /// What it was, if it is given up as a whole; a decommit leaves the area.
    pub(crate) area: Option<Area>,
    /// Completes when all is done.
    pub(crate) operation: Id<Operation>,
}

/// What is left over.
pub(crate) struct Work {
    ending: List,
    ending_links: Links,
    objects: List,
    object_links: Links,
    endpoints: List,
    endpoint_links: Links,
    /// At most one: a thread that started it takes no further submission until it is done.
    pub(crate) unmapping: Option<Unmapping>,
    /// At most one: a revocation takes no further step until it is done.
    pub(crate) severing: Option<Severing>,
    /// When it has its next turn while threads run.
    pub(crate) next_turn: u64,
    /// How often something was added to the lists.
    additions: u64,
    /// Additions here and in the derivation tree that somebody answers for.
    seen: (u64, u64),
}

impl Work {
    /// No work.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub(crate) fn with_capacity(
        processes: u32,
        objects: u32,
        endpoints: u32,
    ) -> Result<Work, AllocationRefused> {
        Ok(Work {
            ending: List::EMPTY,
            ending_links: Links::with_capacity(processes)?,
            objects: List::EMPTY,
            object_links: Links::with_capacity(objects)?,
            endpoints: List::EMPTY,
            endpoint_links: Links::with_capacity(endpoints)?,
            unmapping: None,
            severing: None,
            next_turn: 0,
            additions: 0,
            seen: (0, 0),
        })
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.endpoints.is_empty()
            && self.ending.is_empty()
            && self.unmapping.is_none()
            && self.severing.is_none()
    }

    /// True while address spaces change: nobody takes a submission or runs meanwhile.
    pub(crate) fn is_unmapping(&self) -> bool {
        self.unmapping.is_some() || self.severing.is_some()
    }

    /// A process is to be taken apart.
    pub(crate) fn add_process(&mut self, process: Id<Process>) {
        self.additions += 1;
        self.ending_links.push_back(&mut self.ending, process.index());
    }

    /// An endpoint is to be closed, or has more calls and receives to bring together.
    pub(crate) fn add_endpoint(&mut self, endpoint: Id<Endpoint>) {
        self.additions += 1;
        self.endpoint_links.push_back(&mut self.endpoints, endpoint.index());
    }

    /// An object is to be taken apart.
    pub(crate) fn add_object(&mut self, object: Id<MemoryObject>) {
        self.additions += 1;
        self.object_links.push_back(&mut self.objects, object.index());
    }
}

impl Kernel {
    /// True if [`Kernel::do_piece_of_work`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.work.is_empty() || self.nodes.has_leaving() || self.nodes.is_owing()
    }

    /// What has been left over since the last look: what the thread that ran since then answers for.
    pub(crate) fn new_debt(&mut self) -> Debt {
        let now = (self.work.additions, self.nodes.additions());
        let before = core::mem::replace(&mut self.work.seen, now);
        if now.0 != before.0 {
            Debt::All
        } else if now.1 != before.1 {
            Debt::Nodes
        } else {
            Debt::None
        }
    }

    /// True if a thread that answers for `debt` cannot go on yet.
    pub(crate) fn must_wait(&self, debt: Debt) -> bool {
        self.work.is_unmapping()
            || match debt {
                Debt::None => false,
                Debt::Nodes => self.nodes.has_leaving() || self.nodes.is_owing(),
                Debt::All => self.has_work(),
            }
    }

    /// Does one piece of work; false if there was none.
    pub(crate) fn do_piece_of_work(&mut self) -> bool {
        match self.nodes.step() {
            Step::Freed(owner) => {
                self.end_charge(owner);
                return true;
            }
            Step::Idle => {}
            Step::Moved | Step::Cut(_) | Step::Revoked(_) => return true,
        }
        if self.continue_severing() {
            return true;
        }
        if let Some(index) = self.work.objects.first() {
            let id = self.memory_objects.id_at(index);
            let payer = id.and_then(|id| self.memory_objects.get(id)?.account);
            self.bill(payer);
            let is_done = id.is_none_or(|id| self.dismantle_object(id));
            if is_done {
                self.work.object_links.remove(&mut self.work.objects, index);
            }
            return true;
        }
        self.continue_unmapping() || self.endpoint_piece() || self.pay_revocation() || self.end_piece()
    }

    /// What follows is done for that process, if it is known.
    fn bill(&mut self, payer: Option<Id<Process>>) {
        if let Some(payer) = payer {
            self.bill_process(payer);
        }
    }

    /// Does one piece of an endpoint's work; false if there is none. No message is copied while address spaces change.
    fn endpoint_piece(&mut self) -> bool {
        let Some(index) = self.work.endpoints.first() else { return false };
        let id = self.endpoints.id_at(index);
        let payer = id.and_then(|id| self.endpoints.get(id)?.account);
        self.bill(payer);
        let is_done = id.is_none_or(|id| !self.endpoint_step(id));
        if is_done {
            self.work.endpoint_links.remove(&mut self.work.endpoints, index);
        }
        true
    }

    /// Does one piece of the unmapping in progress; false if there is none.
    pub(crate) fn continue_unmapping(&mut self) -> bool {
        let Some(unmapping) = self.work.unmapping.take() else { return false };
        self.bill(Some(unmapping.process));
        self.work.unmapping = self.unmap_piece(unmapping);
        true
    }

    fn end_piece(&mut self) -> bool {
        let Some(index) = self.work.ending.first() else { return false };
        let id = self.processes.id_at(index);
        self.bill(id);
        let step = id.map_or(EndStep::Done, |id| self.end_step(id));
        match step {
            EndStep::Again => {}
            EndStep::AfterOthers => {
                self.work.ending_links.remove(&mut self.work.ending, index);
                self.work.ending_links.push_back(&mut self.work.ending, index);
            }
            EndStep::Done => {
                self.work.ending_links.remove(&mut self.work.ending, index);
            }
        }
        true
    }

    /// Unmaps a piece; gives back what is left.
    fn unmap_piece(&mut self, mut unmapping: Unmapping) -> Option<Unmapping> {
        let id = unmapping.process;
        let piece = match unmapping.area {
            Some(area) if area.is_mapping() => Some(unmapping.pages),
            _ => self.processes.get(id).and_then(|process| process.committed.first_within(unmapping.pages)),
        };
        let Some(mut piece) = piece.filter(|piece| piece.start < piece.end) else {
            self.finish_unmapping(unmapping);
            return None;
        };
        piece.end = piece.end.min(piece.start + PAGES_PER_PIECE);
        let count = self.unmap_pages(id, piece);
        match unmapping.area {
            Some(area) if area.is_mapping() => {
                self.refund(id, area.own_bytes(piece.count()));
                // Other frames are the object's, or the page of zeros.
                if area == (Area::Severed { access: Access::ReadWrite }) {
                    self.unback(id, count);
                }
            }
            _ => {
                self.unback(id, count);
                self.uncommit(id, piece);
            }
        }
        unmapping.pages.start = piece.end;
        Some(unmapping)
    }

    /// Takes pages out of the committed ones, and their charge with them.
    fn uncommit(&mut self, id: Id<Process>, pages: Pages) {
        let Some(process) = self.processes.get_mut(id) else { return };
        let count = process.committed.count_within(pages);
        if process.committed.remove(pages).is_ok() {
            process.account.refund(count * PAGE);
            let settled = process.settle_tables();
            debug_assert!(settled.is_ok());
        }
    }

    fn finish_unmapping(&mut self, unmapping: Unmapping) {
        if let Some(area) = unmapping.area {
            self.release_area(&area);
        }
        self.complete_operation(unmapping.operation, Ok((0, 0)));
    }
}
