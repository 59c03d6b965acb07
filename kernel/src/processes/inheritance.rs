//! The charge for what outlives a process: it goes to the creator, within the limit that the process had from it.
//!
//! Called by `end`, in bounded steps, when the process has nothing any more and nothing can be charged to it.
//!
//! Invariant: each step hands on what it found, records and frames and counts together, so what goes between two steps is
//! given back to who is charged for it then. Behind the last step nothing is charged to the process.

use super::Process;
use super::layout::PAGE;
use crate::calls::operation::Operation;
use crate::devices::DmaMemory;
use crate::endpoints::{Endpoint, Minted};
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::memory::object::MemoryObject;
use crate::objects::notification::Notification;
use capos_kernel_core::pool::{Id, Pool};

/// Entries of each pool that one step looks at.
const ENTRIES_PER_STEP: u32 = 64;

/// What may outlive the process that is charged for it.
trait Lasting {
    /// What it counts as, if it is counted.
    const KIND: Option<Kind>;

    /// Who is charged.
    fn account(&mut self) -> &mut Option<Id<Process>>;

    /// Bytes besides the record's, and frames among them.
    fn contents(&self) -> (u64, u64) {
        (0, 0)
    }
}

impl Lasting for MemoryObject {
    const KIND: Option<Kind> = Some(Kind::MemoryObject);

    fn account(&mut self) -> &mut Option<Id<Process>> {
        &mut self.account
    }

    fn contents(&self) -> (u64, u64) {
        (self.charge, self.frames)
    }
}

impl Lasting for DmaMemory {
    const KIND: Option<Kind> = None;

    fn account(&mut self) -> &mut Option<Id<Process>> {
        &mut self.account
    }

    fn contents(&self) -> (u64, u64) {
        (self.charge, self.backed())
    }
}

macro_rules! lasting_records {
    ($($record:ty: $kind:ident),*) => {$(
        impl Lasting for $record {
            const KIND: Option<Kind> = Some(Kind::$kind);

            fn account(&mut self) -> &mut Option<Id<Process>> {
                &mut self.account
            }
        }
    )*};
}

lasting_records!(Endpoint: Endpoint, Minted: Minted, Notification: Notification);

/// What one step found in one pool.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    kind: Option<Kind>,
    count: u32,
    bytes: u64,
    frames: u64,
}

/// Writes the creator into those of 64 entries that are charged to the process.
fn take_over<T: Lasting>(
    pool: &mut Pool<T>,
    start: u32,
    from: Id<Process>,
    creator: Option<Id<Process>>,
) -> Found {
    let mut found = Found { kind: T::KIND, ..Found::default() };
    for index in start..start.saturating_add(ENTRIES_PER_STEP).min(pool.reach()) {
        let Some(record) = pool.id_at(index).and_then(|id| pool.get_mut(id)) else { continue };
        if *record.account() == Some(from) {
            *record.account() = creator;
            let (bytes, frames) = record.contents();
            found.count += 1;
            found.bytes += bytes + T::KIND.map_or(0, Kind::bytes);
            found.frames += frames;
        }
    }
    found
}

impl Kernel {
    /// Hands on a bit of what is charged to an ending process and lives on; false if nothing is left.
    pub(super) fn pass_charges_on(&mut self, id: Id<Process>) -> bool {
        let reaches = [
            self.memory_objects.reach(),
            self.endpoints.reach(),
            self.minted.reach(),
            self.notifications.reach(),
            self.dma.reach(),
            self.operations.reach(),
        ];
        let Some(process) = self.processes.get_mut(id) else { return false };
        let is_left = process.has_lent || Kind::LASTING.iter().any(|kind| process.holdings.count(*kind) > 0);
        if !is_left || reaches.iter().all(|reach| *reach <= process.passed) {
            return false;
        }
        let (start, creator) = (process.passed, process.parent);
        process.passed = start + ENTRIES_PER_STEP;
        let found = [
            take_over(&mut self.memory_objects, start, id, creator),
            take_over(&mut self.endpoints, start, id, creator),
            take_over(&mut self.minted, start, id, creator),
            take_over(&mut self.notifications, start, id, creator),
            take_over(&mut self.dma, start, id, creator),
            self.take_over_operations(start, id, creator),
        ];
        for found in found.iter().filter(|found| found.count > 0) {
            self.hand_on(id, creator, found);
        }
        true
    }

    /// Calls that the process gave up are charged to its creator until their servers are told.
    fn take_over_operations(&mut self, start: u32, from: Id<Process>, creator: Option<Id<Process>>) -> Found {
        let mut found = Found { kind: Some(Kind::Operation), ..Found::default() };
        let Some(creator) = creator else { return found };
        for index in start..start.saturating_add(ENTRIES_PER_STEP).min(self.operations.reach()) {
            let operation = self.operations.id_at(index).and_then(|id| self.operations.get_mut(id));
            if let Some(Operation { origin, .. }) = operation.filter(|one| one.origin.process == from) {
                origin.process = creator;
                found.count += 1;
                found.bytes += Kind::Operation.bytes();
            }
        }
        found
    }

    /// Moves charge, frames and count of what was found.
    fn hand_on(&mut self, id: Id<Process>, creator: Option<Id<Process>>, found: &Found) {
        let Some(mut account) = self.processes.get(id).map(|process| process.account) else { return };
        if let Some(creator) = creator.and_then(|creator| self.processes.get_mut(creator)) {
            account.pass_on(&mut creator.account, found.bytes, found.frames * PAGE, &mut self.pot);
            creator.has_lent |= matches!(found.kind, None | Some(Kind::Operation));
        }
        if let Some(process) = self.processes.get_mut(id) {
            process.account = account;
        }
        if let Some(kind) = found.kind {
            self.discount_entries(id, kind, found.count);
            if let Some(creator) = creator {
                self.count_entries(creator, kind, found.count);
            }
        }
    }
}
