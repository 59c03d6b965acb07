//! The end of a process, in bounded steps.
//!
//! Started by exit, fault, kill or lack of memory; carried on by `work`, one step at a time. Completes the `wait`s.
//!
//! Invariant: what a step takes apart is gone from the process, so a step can always be the next one. When the waits
//! complete, every frame, node and slot is free, and the limit is back with the creator.

use super::thread::Thread;
use super::{Outcome, Process, ProcessState};
use crate::calls::operation::Parked;
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::log::log_line;
use crate::objects::Object;
use capos_abi::outcome::OutcomeKind;
use capos_kernel_core::capability::{CHUNK_SLOTS, Dismantled, SlotStore};
use capos_kernel_core::pool::Id;
use capos_kernel_core::report::{EndLine, Free};
use capos_kernel_hal::{frames, heap};
use capos_schema::machine::MachineFinishParams;

/// Capabilities, or areas, that one step releases.
const ENTRIES_PER_STEP: u32 = 32;
/// Mappings and page tables that one step releases.
const MAPPINGS_PER_STEP: usize = 64;
/// Processes that one step looks at for children of the one that ends, and children that it ends at most.
const PROCESSES_PER_STEP: u32 = 128;
const CHILDREN_PER_STEP: u32 = 8;

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndStep {
    /// The next one.
    Again,
    /// The next one, when others have got on: children that end, or revocations in progress.
    AfterOthers,
    /// Nothing: it is over.
    Done,
}

impl Kernel {
    /// Begins the end of a process; no effect if it has begun.
    pub(crate) fn end_process(&mut self, id: Id<Process>, outcome: Outcome) {
        let kernel_bytes = self.processes.get(id).map_or(0, |process| self.kernel_bytes(process));
        let Some(process) = self.processes.get_mut(id) else { return };
        if !matches!(process.state, ProcessState::Created | ProcessState::Running) {
            return;
        }
        process.state = ProcessState::Ending;
        process.outcome = outcome;
        process.kernel_bytes = kernel_bytes;
        let thread = process.thread;
        self.end_driving(id);
        if let Some(thread) = thread {
            // The direct way does not look whether who waits is running.
            self.settle_exchange(thread);
            self.run_queue.remove(thread.index());
            self.handed = self.handed.filter(|handed| *handed != thread.index());
            self.forget_deadline(thread);
        }
        self.work.add_process(id);
    }

    /// Takes one more piece of an ending process apart.
    pub(crate) fn end_step(&mut self, id: Id<Process>) -> EndStep {
        let Some(process) = self.processes.get(id) else { return EndStep::Done };
        if process.state == ProcessState::Ended {
            return self.complete_wait(id);
        }
        if let Some(thread) = process.thread {
            return self.end_thread(id, thread);
        }
        if self.end_service(id) {
            return EndStep::Again;
        }
        let Some(process) = self.processes.get(id) else { return EndStep::Done };
        if process.children > 0 {
            return self.end_children(id);
        }
        let is_left = self.leave_share(id)
            || self.dismantle_table(id)
            || self.dismantle_space(id)
            || self.release_areas(id)
            || self.pass_charges_on(id);
        if is_left {
            return EndStep::Again;
        }
        self.finish_end(id);
        EndStep::Again
    }

    /// Takes one operation of the thread back, or the thread itself. Revocations that it began run to their end first.
    fn end_thread(&mut self, id: Id<Process>, thread: Id<Thread>) -> EndStep {
        self.settle_exchange(thread);
        let mut next = self.threads.get(thread).and_then(|thread| thread.operations.first());
        let has_operations = next.is_some();
        while let Some(index) = next {
            next = self.operation_links.next(index);
            let Some(operation) = self.operations.id_at(index) else { continue };
            let parked = self.operations.get(operation).map(|operation| operation.parked);
            if parked != Some(Parked::Revocation) {
                self.withdraw(operation);
                return EndStep::Again;
            }
        }
        if has_operations {
            self.nodes.owe_all();
            return EndStep::AfterOthers;
        }
        self.count_abandoned(id, thread);
        let left = self.threads.get(thread).map(|thread| (thread.context.cpl(), thread.wakes));
        // What completed meanwhile may have woken it.
        self.run_queue.remove(thread.index());
        self.handed = self.handed.filter(|handed| *handed != thread.index());
        drop(self.threads.remove(thread));
        if let Some(process) = self.processes.get_mut(id) {
            process.thread = None;
            process.privilege_level = left.map(|(level, _)| level).filter(|_| process.entries > 0);
            process.wakes = left.map_or(0, |(_, wakes)| wakes);
        }
        EndStep::Again
    }

    /// The thread's own record was paid for with it. If a server still has the call that is in it, it is one like the others
    /// from now on: counted until it goes.
    fn count_abandoned(&mut self, id: Id<Process>, thread: Id<Thread>) {
        let own = self.threads.get(thread).and_then(|thread| thread.kept_call);
        if own.is_some_and(|own| self.operations.get(own).is_some()) {
            self.count_entries(id, Kind::Operation, 1);
        }
    }

    /// Ends some of the children, then waits for them. There are no new ones, since the thread that could make them is gone.
    fn end_children(&mut self, id: Id<Process>) -> EndStep {
        let Some(process) = self.processes.get(id) else { return EndStep::Done };
        let start = process.searched;
        if start >= self.processes.reach() {
            return EndStep::AfterOthers;
        }
        let (mut index, mut ended) = (start, 0);
        while index < start.saturating_add(PROCESSES_PER_STEP) && ended < CHILDREN_PER_STEP {
            let child = self.processes.id_at(index);
            index += 1;
            let Some(child) = child else { continue };
            if self.processes.get(child).is_some_and(|process| process.parent == Some(id)) {
                self.end_process(child, Outcome::new(OutcomeKind::Killed, 0));
                ended += 1;
            }
        }
        if let Some(process) = self.processes.get_mut(id) {
            process.searched = index;
        }
        EndStep::Again
    }

    /// Releases some capabilities; false if there were none.
    fn dismantle_table(&mut self, id: Id<Process>) -> bool {
        for count in 0..ENTRIES_PER_STEP {
            let Some(process) = self.processes.get_mut(id) else { return false };
            match process.table.dismantle(&mut self.slots) {
                Some(Dismantled::Capability(capability)) => self.drop_capability(id, &capability),
                // All its slots were looked at.
                Some(Dismantled::Chunk) => {
                    process.account.refund(SlotStore::<Object>::chunk_bytes());
                    return true;
                }
                None => return count > 0,
            }
        }
        true
    }

    /// Releases some mappings and page tables; false if there is no address space any more.
    fn dismantle_space(&mut self, id: Id<Process>) -> bool {
        let Some(process) = self.processes.get_mut(id) else { return false };
        let Some(space) = process.space.as_mut() else { return false };
        if space.tear_down(MAPPINGS_PER_STEP) {
            process.space = None;
            process.capset = None;
        }
        true
    }

    /// Releases some areas; false if there were none.
    fn release_areas(&mut self, id: Id<Process>) -> bool {
        for count in 0..ENTRIES_PER_STEP {
            let area = self.processes.get_mut(id).and_then(|process| process.areas.pop());
            let Some((_, area)) = area else { return count > 0 };
            self.release_area(&area);
        }
        true
    }

    /// Gives back what is left of the limit, and writes the record.
    fn finish_end(&mut self, id: Id<Process>) {
        self.settle_time();
        let Some(process) = self.processes.get_mut(id) else { return };
        process.state = ProcessState::Ended;
        process.areas = Default::default();
        process.committed = Default::default();
        let (parent, account) = (process.parent, process.account);
        let Outcome { kind, code, .. } = process.outcome;
        let line = EndLine {
            subject: process.subject(),
            kind,
            code,
            entries: process.entries,
            privilege_level: process.privilege_level,
            peak_bytes: process.account.peak(),
            touched_pages: process.touched_pages,
            kernel_bytes: process.kernel_bytes,
            processor_time: process.processor.time,
            refusals: process.account.refusals(),
            free: Free {
                frames: frames::free_count(),
                slots: self.slots.free_chunks() * CHUNK_SLOTS as usize,
                nodes: self.nodes.available(),
                heap_bytes: heap::free_bytes(),
            },
        };
        log_line!("{line}");
        self.close_share(id, parent);
        if let Some(parent) = parent.and_then(|parent| self.processes.get_mut(parent)) {
            parent.account.give_back(&account, &mut self.pot);
            parent.children = parent.children.saturating_sub(1);
        }
        if let Some(parent) = parent {
            self.return_entries(parent, Kind::Process, 1);
        }
        if self.first_process == Some(id) {
            self.finish_without_init(id);
        }
        self.signal_end(id);
        // The record goes with its last holder; here with nobody to hold it.
        self.retain_process(id);
        self.release_process(id);
    }

    /// Sets the bits that are bound to the end of a process, which is over.
    pub(crate) fn signal_end(&mut self, id: Id<Process>) {
        let bound = self.processes.get_mut(id).and_then(|process| process.bound.take());
        if let Some((notification, bits)) = bound {
            self.signal(notification, bits);
            self.release_notification(notification);
        }
    }

    /// Completes one `wait`.
    fn complete_wait(&mut self, id: Id<Process>) -> EndStep {
        let Some(process) = self.processes.get(id) else { return EndStep::Done };
        let Some(waiter) = process.waiters.first().and_then(|index| self.operations.id_at(index)) else {
            return EndStep::Done;
        };
        let Some(operation) = self.operations.get(waiter).copied() else { return EndStep::Done };
        debug_assert_eq!(operation.parked, Parked::ProcessEnd(id));
        let reply = self.reply_outcome(&operation.origin, id);
        self.complete_operation(waiter, reply.map(|length| (length as u32, 0)));
        EndStep::Again
    }

    /// init has ended and nobody has said how the run ended: that is a failure of capOS.
    fn finish_without_init(&mut self, id: Id<Process>) -> ! {
        use core::fmt::Write;
        let mut report = Report::new();
        if let Some(process) = self.processes.get(id) {
            let Outcome { kind, code, .. } = process.outcome;
            let said = process.outcome.report();
            let _ = write!(report, "init ended before the run was over: {}({code}) {said}", kind.word());
        }
        let params = MachineFinishParams {
            kind: OutcomeKind::Internal as u16,
            code: 0,
            process: "init",
            report: report.as_str(),
        };
        self.finish(&params)
    }
}

/// A text that is cut where it does not fit any more.
pub(crate) struct Report {
    bytes: [u8; Report::BYTES],
    length: usize,
}

impl Report {
    const BYTES: usize = 512;

    pub(crate) const fn new() -> Report {
        Report { bytes: [0; Report::BYTES], length: 0 }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl core::fmt::Write for Report {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            let end = self.length + character.len_utf8();
            let place = self.bytes.get_mut(self.length..end).ok_or(core::fmt::Error)?;
            character.encode_utf8(place);
            self.length = end;
        }
        Ok(())
    }
}
