//! Charging accounts, and backing them with frames.
//!
//! Called before each allocation on behalf of a process, with the process that will hold what is allocated: charged for what
//! is promised to it, backed for each frame that it gets.
//!
//! Invariant: page tables are charged at the larger of what the areas and committed pages can need and what is there, so
//! touching a committed page does not pass the limit; they are backed for what is there. No frame goes to a process
//! without being backed, so one that was set aside is never missing.

use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use crate::processes::ring::Ring;
use capos_abi::error::Transport;
use capos_kernel_core::account::{LimitReached, NothingFree, Pot};
use capos_kernel_core::capability::SlotStore;
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_hal::frames::{self, OutOfMemory};

/// Moves a value into a pool, as one allocation on behalf of ring 3; `None`, with the value dropped, if it is refused.
pub(crate) fn insert<T>(pool: &mut Pool<T>, value: T) -> Option<Id<T>> {
    if frames::is_refused() { None } else { pool.insert(value) }
}

impl Process {
    /// Brings the charge for page tables up to date with areas, committed pages and the tables that are there.
    ///
    /// # Errors
    /// [`LimitReached`]; the charge is then as it was.
    pub(crate) fn settle_tables(&mut self) -> Result<(), LimitReached> {
        const ROOT: u64 = 1;
        let present = self.space.as_ref().map_or(0, |space| space.table_frames() as u64);
        let target = present.max(ROOT + self.area_tables + self.committed.table_frames());
        if target > self.charged_tables {
            self.account.charge((target - self.charged_tables) * PAGE)?;
        } else {
            self.account.refund((self.charged_tables - target) * PAGE);
        }
        self.charged_tables = target;
        Ok(())
    }

    /// Brings the backing of page tables up to date with those that are there.
    ///
    /// # Errors
    /// [`NothingFree`]: more of them are there than could be backed.
    pub(crate) fn back_tables(&mut self, pot: &mut Pot) -> Result<(), NothingFree> {
        let present = self.space.as_ref().map_or(0, |space| space.table_frames() as u64);
        if present > self.backed_tables {
            self.account.back((present - self.backed_tables) * PAGE, pot)?;
        } else {
            self.account.unback((self.backed_tables - present) * PAGE, pot);
        }
        self.backed_tables = present;
        Ok(())
    }
}

impl Kernel {
    /// Bytes that ring 0 keeps for a process now: its records, registers, CapSet page, rings, page tables, lists, slots and
    /// nodes. Objects and operations are not in it, and no page that the process can fill with what it likes.
    pub(crate) fn kernel_bytes(&self, process: &Process) -> u64 {
        let thread = process.thread.and_then(|thread| self.threads.get(thread));
        let ring = thread.map_or(0, |thread| Ring::charge(&thread.ring.layout));
        let tables = process.space.as_ref().map_or(0, |space| space.table_frames() as u64 * PAGE);
        let lists = process.areas.heap_bytes() + process.committed.heap_bytes();
        let slots = u64::from(process.table.chunk_count()) * SlotStore::<Object>::chunk_bytes();
        let nodes = u64::from(process.table.used()) * Kind::Capability.bytes();
        Process::record_bytes() + ring + tables + lists + slots + nodes
    }

    /// Charges `bytes` to the process.
    ///
    /// # Errors
    /// [`Transport::LimitReached`]; [`Transport::Disconnected`] if it has gone.
    pub(crate) fn charge(&mut self, process: Id<Process>, bytes: u64) -> Result<(), Transport> {
        let process = self.processes.get_mut(process).ok_or(Transport::Disconnected)?;
        process.account.charge(bytes).map_err(|LimitReached| Transport::LimitReached)
    }

    /// Backs so many frames that the process is to get.
    ///
    /// # Errors
    /// [`OutOfMemory`]: they are not set aside for it, and nobody else can spare them.
    pub(crate) fn back(&mut self, process: Id<Process>, frames: u64) -> Result<(), OutOfMemory> {
        let process = self.processes.get_mut(process).ok_or(OutOfMemory)?;
        process.account.back(frames * PAGE, &mut self.pot).map_err(|NothingFree| OutOfMemory)
    }

    /// The process has lost so many frames.
    pub(crate) fn unback(&mut self, process: Id<Process>, frames: u64) {
        if let Some(process) = self.processes.get_mut(process) {
            process.account.unback(frames * PAGE, &mut self.pot);
        }
    }

    /// Gives `bytes` back to the process, if it is still there.
    pub(crate) fn refund(&mut self, process: Id<Process>, bytes: u64) {
        if let Some(process) = self.processes.get_mut(process) {
            process.account.refund(bytes);
        }
    }
}
