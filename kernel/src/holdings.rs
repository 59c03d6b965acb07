//! What processes have in the kernel's tables: how many entries of each kind, and who may have another one.
//!
//! Called before an entry is taken for a process and when it is given back, together with the charge for its bytes.
//!
//! Invariant: what a process has taken of a table is counted for it and for the share of the processor on which it runs;
//! the count ends with the charge. No share takes more of a table than its claim (`capos_kernel_core::claim`), so a table
//! that one of them floods has room for the others.

use crate::calls::operation::Operation;
use crate::endpoints::{Endpoint, Minted};
use crate::kernel::Kernel;
use crate::memory::mapping::Mapping;
use crate::memory::object::MemoryObject;
use crate::objects::notification::Notification;
use crate::processes::Process;
use capos_abi::error::Transport;
use capos_kernel_core::account::LimitReached;
use capos_kernel_core::claim;
use capos_kernel_core::derivation::{NODE_BYTES, USE_BYTES};
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_core::share::Share;

/// What ring 3 can have the kernel make, by the table that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Processes, their threads included.
    Process,
    /// Submissions in progress.
    Operation,
    /// Capabilities: their nodes. A slot costs no entry of its own.
    Capability,
    /// Memory objects.
    MemoryObject,
    /// Mappings of memory objects.
    Mapping,
    /// Endpoints.
    Endpoint,
    /// Objects of endpoints.
    Minted,
    /// Notifications.
    Notification,
}

/// How many kinds there are.
const KINDS: usize = Kind::Notification as usize + 1;

impl Kind {
    /// What may live on when the process that is charged for it has ended.
    pub(crate) const LASTING: [Kind; 5] =
        [Kind::MemoryObject, Kind::Endpoint, Kind::Minted, Kind::Notification, Kind::Operation];

    /// Bytes that an entry is charged. A process's record is charged to itself, with what belongs to it.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Kind::Process => 0,
            Kind::Operation => Pool::<Operation>::entry_bytes() + USE_BYTES,
            Kind::Capability => NODE_BYTES,
            Kind::MemoryObject => Pool::<MemoryObject>::entry_bytes(),
            // A use of the object's node, and one of the CodeMemory's.
            Kind::Mapping => Pool::<Mapping>::entry_bytes() + 2 * USE_BYTES,
            Kind::Endpoint => Pool::<Endpoint>::entry_bytes(),
            Kind::Minted => Pool::<Minted>::entry_bytes(),
            Kind::Notification => Pool::<Notification>::entry_bytes(),
        }
    }
}

/// Entries, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    /// The process's own.
    own: [u32; KINDS],
    /// Those of all processes that run on its share, if it has one.
    share: [u32; KINDS],
}

impl Holdings {
    /// The process's own entries of a kind.
    pub(crate) const fn count(&self, kind: Kind) -> u32 {
        self.own[kind as usize]
    }

    fn add(counts: &mut [u32; KINDS], kind: Kind, count: u32) {
        let place = &mut counts[kind as usize];
        *place = place.saturating_add(count);
    }

    fn subtract(counts: &mut [u32; KINDS], kind: Kind, count: u32) {
        let place = &mut counts[kind as usize];
        *place = place.saturating_sub(count);
    }
}

impl Kernel {
    /// Entries of this kind's table that are free.
    fn free_entries(&self, kind: Kind) -> u32 {
        fn free<T>(pool: &Pool<T>) -> u32 {
            pool.capacity().saturating_sub(pool.used() as u32)
        }
        match kind {
            Kind::Process => free(&self.processes),
            Kind::Operation => free(&self.operations),
            Kind::Capability => self.nodes.available(),
            Kind::MemoryObject => free(&self.memory_objects),
            Kind::Mapping => free(&self.mappings),
            Kind::Endpoint => free(&self.endpoints),
            Kind::Minted => free(&self.minted),
            Kind::Notification => free(&self.notifications),
        }
    }

    /// Counts and charges entries that are about to be taken for the process.
    ///
    /// # Errors
    /// "limit reached"; "out of memory" past what the process's share may have of the table; nothing has changed then.
    pub(crate) fn take_entries(&mut self, id: Id<Process>, kind: Kind, count: u32) -> Result<(), Transport> {
        let free = self.free_entries(kind);
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        let owner = process.processor.share_owner;
        let above =
            if owner == id { &*process } else { self.processes.get(owner).ok_or(Transport::Disconnected)? };
        let weight = above.processor.share.as_ref().map_or(0, Share::weight);
        let held = above.holdings.share[kind as usize];
        let may_take = claim::may_take(held, count, free, weight);
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        if !may_take {
            process.account.count_refusal();
            return Err(Transport::OutOfMemory);
        }
        let charged = process.account.charge(u64::from(count) * kind.bytes());
        charged.map_err(|LimitReached| Transport::LimitReached)?;
        self.count_entries(id, kind, count);
        Ok(())
    }

    /// Counts entries that were charged otherwise.
    pub(crate) fn count_entries(&mut self, id: Id<Process>, kind: Kind, count: u32) {
        let Some(process) = self.processes.get_mut(id) else { return };
        Holdings::add(&mut process.holdings.own, kind, count);
        let owner = process.processor.share_owner;
        if owner == id {
            Holdings::add(&mut process.holdings.share, kind, count);
        } else if let Some(owner) = self.processes.get_mut(owner) {
            Holdings::add(&mut owner.holdings.share, kind, count);
        }
    }

    /// Ends the count and the charge of entries that the process has no more, or does not get after all.
    pub(crate) fn return_entries(&mut self, id: Id<Process>, kind: Kind, count: u32) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.account.refund(u64::from(count) * kind.bytes());
        self.discount_entries(id, kind, count);
    }

    /// Ends the count of entries whose charge ends otherwise.
    pub(crate) fn discount_entries(&mut self, id: Id<Process>, kind: Kind, count: u32) {
        let Some(process) = self.processes.get_mut(id) else { return };
        Holdings::subtract(&mut process.holdings.own, kind, count);
        let owner = process.processor.share_owner;
        if owner == id {
            Holdings::subtract(&mut process.holdings.share, kind, count);
        } else if let Some(owner) = self.processes.get_mut(owner) {
            Holdings::subtract(&mut owner.holdings.share, kind, count);
        }
    }
}
