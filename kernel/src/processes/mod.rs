//! Processes: what one is, and how its record lives.
//!
//! `build` makes one from an image, `end` takes it apart, `inheritance` hands on what outlives it, `thread` and `ring` are its execution, `layout` its addresses.
//! Called by the objects ProcessSpawner and ProcessHandle, by the scheduler and by start-up.
//!
//! Invariant: a record stays as long as a capability names it; everything that a process holds is in its account; a child
//! never outlives its creator.

pub(crate) mod build;
pub(crate) mod end;
pub(crate) mod exchange;
mod inheritance;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod ring;
pub(crate) mod thread;

use crate::billing::Processor;
use crate::calls::operation::Operation;
use crate::holdings::{Holdings, Kind};
use crate::kernel::{Kernel, Waiters};
use crate::memory::area::Area;
use crate::objects::notification::Notification;
use capos_abi::outcome::{OutcomeKind, REPORT_BYTES_MAX};
use capos_kernel_core::account::Account;
use capos_kernel_core::capability::Table;
use capos_kernel_core::pages::{PageSet, RangeMap};
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_core::report::{Fault, Subject};
use capos_kernel_hal::frames::SharedFrame;
use capos_kernel_hal::paging::AddressSpace;
use name::Name;
use thread::Thread;

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// Made, and not started: its creator may still grant.
    Created,
    /// Started.
    Running,
    /// Being taken apart, by `work`.
    Ending,
    /// Over; only its outcome is left.
    Ended,
}

/// How a process ended.
pub(crate) struct Outcome {
    pub(crate) kind: OutcomeKind,
    pub(crate) code: u32,
    pub(crate) fault: Fault,
    report: [u8; REPORT_BYTES_MAX],
    report_length: u16,
}

impl Outcome {
    /// An end without a report.
    pub(crate) const fn new(kind: OutcomeKind, code: u32) -> Outcome {
        let fault = Fault { vector: 0, error_code: 0, address: 0, instruction_pointer: 0 };
        Outcome { kind, code, fault, report: [0; REPORT_BYTES_MAX], report_length: 0 }
    }

    /// Keeps the start of `report` that is text.
    pub(crate) fn set_report(&mut self, report: &[u8]) {
        let report = report.get(..REPORT_BYTES_MAX).unwrap_or(report);
        let length = str::from_utf8(report).map_or_else(|error| error.valid_up_to(), str::len);
        if let (Some(to), Some(from)) = (self.report.get_mut(..length), report.get(..length)) {
            to.copy_from_slice(from);
            self.report_length = length as u16;
        }
    }

    /// What the process said at its end.
    pub(crate) fn report(&self) -> &str {
        let report = self.report.get(..usize::from(self.report_length));
        report.and_then(|report| str::from_utf8(report).ok()).unwrap_or("")
    }
}

/// A process.
pub(crate) struct Process {
    pub(crate) number: u64,
    pub(crate) name: Name,
    pub(crate) state: ProcessState,
    pub(crate) parent: Option<Id<Process>>,
    /// Processes that it created and whose record still has something to give back.
    pub(crate) children: u32,
    pub(crate) account: Account,
    pub(crate) processor: Processor,
    /// What it has in the kernel's tables.
    pub(crate) holdings: Holdings,
    /// Calls to objects of other processes that were delivered, and calls that it has received.
    pub(crate) calls_made: u64,
    pub(crate) calls_served: u64,
    /// How often a thread of it that has ended was woken.
    pub(crate) wakes: u64,
    /// Its address space; gone when it has ended.
    pub(crate) space: Option<AddressSpace>,
    /// What its addresses are.
    pub(crate) areas: RangeMap<Area>,
    /// Which pages of its reservations are committed.
    pub(crate) committed: PageSet,
    /// Page-table frames that its areas (without reservations) can need.
    pub(crate) area_tables: u64,
    /// Page-table frames that its account is charged for.
    pub(crate) charged_tables: u64,
    /// Page-table frames that its account backs.
    pub(crate) backed_tables: u64,
    /// Pages of its own, not shared with an object, that got a frame.
    pub(crate) touched_pages: u64,
    /// What ring 0 kept for it when its end began.
    pub(crate) kernel_bytes: u64,
    pub(crate) table: Table,
    /// Its CapSet page, mapped read-only in it.
    pub(crate) capset: Option<SharedFrame>,
    /// Its threads: one for now.
    pub(crate) thread: Option<Id<Thread>>,
    pub(crate) outcome: Outcome,
    /// `wait` operations, over `Kernel::wait_links`.
    pub(crate) waiters: Waiters,
    /// What its end sets.
    pub(crate) bound: Option<(Id<Notification>, u64)>,
    /// `park` operations of its threads, over `Kernel::wait_links`.
    pub(crate) parked: Waiters,
    /// Calls that it has received and not answered, over `Kernel::wait_links`.
    pub(crate) received: Waiters,
    /// One more, which it received before those, if it had none in its hands then: most servers have one and no other.
    pub(crate) received_first: Option<Id<Operation>>,
    /// In place of that one: whose call it is, while that is on the direct way.
    pub(crate) direct_caller: Option<Id<Thread>>,
    /// It has minted objects of endpoints, which die with it.
    pub(crate) has_minted: bool,
    /// How far its end has looked for them.
    pub(crate) swept: u32,
    /// How far its end has looked for its children.
    pub(crate) searched: u32,
    /// It is charged for what may outlive it and is not in its holdings: calls that it gave up, memory of devices.
    pub(crate) has_lent: bool,
    /// How far its end has looked for what outlives it.
    pub(crate) passed: u32,
    /// Capabilities and operations that name this record.
    pub(crate) holders: u32,
    /// ProcessHandle capabilities that others hold: without one nobody can start it.
    pub(crate) starters: u32,
    /// How often the processor was left to it.
    pub(crate) entries: u64,
    /// The privilege level that the processor saved when it was interrupted.
    pub(crate) privilege_level: Option<u8>,
}

impl Process {
    /// Bytes that a process costs before it has anything: its record, its thread's with those for a call, a receive and an
    /// unmapping, the registers' and the CapSet's frames.
    pub(crate) const fn record_bytes() -> u64 {
        let thread = Pool::<Thread>::entry_bytes() + 3 * Kind::Operation.bytes();
        Pool::<Process>::entry_bytes() + thread + Process::RECORD_FRAMES * layout::PAGE
    }

    /// The registers' frame and the CapSet's.
    pub(crate) const RECORD_FRAMES: u64 = 2;

    /// True until it has ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.state != ProcessState::Ended
    }

    /// Who it is, for the log.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { number: self.number, name: self.name.as_str() }
    }
}

impl Kernel {
    /// One more capability or operation names the record.
    pub(crate) fn retain_process(&mut self, process: Id<Process>) {
        if let Some(process) = self.processes.get_mut(process) {
            process.holders += 1;
        }
    }

    /// One capability or operation less names the record: an ended one goes with the last.
    pub(crate) fn release_process(&mut self, id: Id<Process>) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.holders = process.holders.saturating_sub(1);
        if process.holders == 0 && process.state == ProcessState::Ended {
            drop(self.processes.remove(id));
        }
    }

    /// `holder` has a ProcessHandle of the process. Its own does not count: it cannot start itself.
    pub(crate) fn add_starter(&mut self, id: Id<Process>, holder: Id<Process>) {
        if let Some(process) = self.processes.get_mut(id).filter(|_| id != holder) {
            process.starters += 1;
        }
    }

    /// `holder` has a ProcessHandle of the process less: one that nobody can start any more ends.
    pub(crate) fn remove_starter(&mut self, id: Id<Process>, holder: Id<Process>) {
        let Some(process) = self.processes.get_mut(id).filter(|_| id != holder) else { return };
        process.starters = process.starters.saturating_sub(1);
        if process.starters == 0 && process.state == ProcessState::Created {
            self.end_process(id, Outcome::new(OutcomeKind::Killed, 0));
        }
    }
}
