//! Capability tables: what a process may name, and how.
//!
//! A handle is a slot with a generation. The slots of all tables come from one store, set aside at start-up, in chunks; a
//! table grows by a chunk, which its process is charged for. The object itself is the kernel's (`O`); here it is only kept.
//! Called by the kernel on each call and on each operation on capabilities.
//!
//! Invariant: a handle reaches the capability it was given out for or [`Transport::BadHandle`]. Slots of a table are reused
//! first in, first out. Insertion never fails while [`Table::available`] is not zero.

use crate::derivation::NodeId;
use crate::storage::{self, AllocationRefused};
use alloc::vec::Vec;
use capos_abi::error::Transport;
use capos_abi::handle::Handle;

/// Slots of a chunk.
pub const CHUNK_SLOTS: u32 = 64;
/// Chunks of a table at most: 12,288 capabilities in one process.
pub const CHUNKS_MAX: usize = 192;

const NONE: u32 = u32::MAX;
/// The number of no chunk: the store never has so many.
const NO_CHUNK: u16 = u16::MAX;

/// A capability: the object, what may be done with it, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability<O> {
    /// What it reaches.
    pub object: O,
    /// The interface id of the object.
    pub interface: u64,
    /// The methods that may be called, bit n for method n.
    pub methods: u64,
    /// Its place in the derivation tree.
    pub node: NodeId,
}

impl<O> Capability<O> {
    /// True if `method` may be called.
    #[must_use]
    pub const fn permits(&self, method: u16) -> bool {
        method < 64 && self.methods & (1 << method) != 0
    }

    /// The same with the methods `methods` alone.
    ///
    /// # Errors
    /// [`Transport::MaskNotWithin`] if this one does not permit them all.
    pub fn restricted(self, methods: u64) -> Result<Capability<O>, Transport> {
        if methods & !self.methods == 0 {
            Ok(Capability { methods, ..self })
        } else {
            Err(Transport::MaskNotWithin)
        }
    }
}

struct Slot<O> {
    generation: u16,
    next_free: u32,
    capability: Option<Capability<O>>,
}

/// The slots of all tables.
pub struct SlotStore<O> {
    /// The slots of the chunks that a table had at least once.
    slots: Vec<Slot<O>>,
    /// Those chunks among them that no table has.
    free_chunks: Vec<u16>,
    /// Chunks that no table ever had.
    fresh_chunks: u16,
}

impl<O: Copy> SlotStore<O> {
    /// A store of `chunks` chunks, at most 65,535. The room is set aside now; a chunk is made when it is first used.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_chunks(chunks: u16) -> Result<SlotStore<O>, AllocationRefused> {
        let (mut slots, mut free_chunks) = (Vec::new(), Vec::new());
        storage::reserve(&mut slots, usize::from(chunks) * CHUNK_SLOTS as usize)?;
        storage::reserve(&mut free_chunks, usize::from(chunks))?;
        Ok(SlotStore { slots, free_chunks, fresh_chunks: chunks })
    }

    /// A chunk for a table.
    fn take_chunk(&mut self) -> Option<u16> {
        if let Some(chunk) = self.free_chunks.pop() {
            return Some(chunk);
        }
        self.fresh_chunks = self.fresh_chunks.checked_sub(1)?;
        let chunk = self.slots.len() as u32 / CHUNK_SLOTS;
        for _ in 0..CHUNK_SLOTS {
            storage::push(&mut self.slots, Slot { generation: 1, next_free: NONE, capability: None });
        }
        Some(chunk as u16)
    }

    /// Bytes of memory that a chunk takes: what a process is charged for one.
    #[must_use]
    pub const fn chunk_bytes() -> u64 {
        size_of::<Slot<O>>() as u64 * CHUNK_SLOTS as u64
    }

    /// Chunks that no table has.
    #[must_use]
    pub fn free_chunks(&self) -> usize {
        self.free_chunks.len() + usize::from(self.fresh_chunks)
    }
}

/// The capabilities of one process.
pub struct Table {
    /// [`NO_CHUNK`] where there is none.
    chunks: [u16; CHUNKS_MAX],
    chunk_count: u32,
    /// Slots that were used at least once; the rest of the last chunk is fresh.
    touched: u32,
    used: u32,
    first_free: u32,
    last_free: u32,
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

impl Table {
    /// A table without slots.
    #[must_use]
    pub const fn new() -> Table {
        Table {
            chunks: [NO_CHUNK; CHUNKS_MAX],
            chunk_count: 0,
            touched: 0,
            used: 0,
            first_free: NONE,
            last_free: NONE,
        }
    }

    /// Insertions that cannot fail.
    #[must_use]
    pub const fn available(&self) -> u32 {
        self.chunk_count * CHUNK_SLOTS - self.used
    }

    /// Capabilities in the table.
    #[must_use]
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// Chunks that the table has.
    #[must_use]
    pub const fn chunk_count(&self) -> u32 {
        self.chunk_count
    }

    /// Takes one more chunk.
    ///
    /// # Errors
    /// [`Transport::NoSlot`] if the table is at its largest; [`Transport::OutOfMemory`] if the store has no chunk left.
    pub fn grow<O: Copy>(&mut self, store: &mut SlotStore<O>) -> Result<(), Transport> {
        let place = self.chunks.get_mut(self.chunk_count as usize).ok_or(Transport::NoSlot)?;
        *place = store.take_chunk().ok_or(Transport::OutOfMemory)?;
        self.chunk_count += 1;
        Ok(())
    }

    /// The capability that `handle` names.
    ///
    /// # Errors
    /// [`Transport::BadHandle`].
    #[inline]
    pub fn get<'a, O>(
        &self,
        store: &'a SlotStore<O>,
        handle: Handle,
    ) -> Result<&'a Capability<O>, Transport> {
        let place = self.place(handle.index()).ok_or(Transport::BadHandle)?;
        match store.slots.get(place) {
            Some(Slot { generation, capability: Some(capability), .. })
                if *generation == handle.generation() =>
            {
                Ok(capability)
            }
            _ => Err(Transport::BadHandle),
        }
    }

    /// Puts a capability into a slot.
    ///
    /// # Errors
    /// [`Transport::NoSlot`] if none is available: [`Table::grow`] first.
    pub fn insert<O>(
        &mut self,
        store: &mut SlotStore<O>,
        capability: Capability<O>,
    ) -> Result<Handle, Transport> {
        let (index, is_fresh) = match self.first_free {
            NONE => (self.touched, true),
            index => (index, false),
        };
        let place = self.place(index).ok_or(Transport::NoSlot)?;
        let slot = store.slots.get_mut(place).ok_or(Transport::NoSlot)?;
        if is_fresh {
            self.touched += 1;
        } else {
            self.first_free = slot.next_free;
            if self.first_free == NONE {
                self.last_free = NONE;
            }
        }
        slot.next_free = NONE;
        slot.capability = Some(capability);
        self.used += 1;
        Ok(Handle::new(index, slot.generation))
    }

    /// Takes the capability out; its handle names nothing from now on.
    ///
    /// # Errors
    /// [`Transport::BadHandle`].
    pub fn remove<O>(
        &mut self,
        store: &mut SlotStore<O>,
        handle: Handle,
    ) -> Result<Capability<O>, Transport> {
        let index = handle.index();
        let place = self.place(index).ok_or(Transport::BadHandle)?;
        let slot = store.slots.get_mut(place).ok_or(Transport::BadHandle)?;
        if slot.generation != handle.generation() {
            return Err(Transport::BadHandle);
        }
        let capability = slot.capability.take().ok_or(Transport::BadHandle)?;
        slot.generation = Handle::next_generation(slot.generation);
        self.used -= 1;
        match self.place(self.last_free).and_then(|last| store.slots.get_mut(last)) {
            Some(last) => last.next_free = index,
            None => self.first_free = index,
        }
        self.last_free = index;
        Ok(capability)
    }

    /// Takes out the last capability, and gives back each chunk that this empties, one per call: the step of a teardown.
    /// `None` when the table has neither capabilities nor chunks.
    pub fn dismantle<O: Copy>(&mut self, store: &mut SlotStore<O>) -> Option<Dismantled<O>> {
        let last_chunk = self.chunk_count.checked_sub(1)?;
        let floor = last_chunk * CHUNK_SLOTS;
        while self.touched > floor {
            self.touched -= 1;
            let index = self.touched;
            let slot = self.place(index).and_then(|place| store.slots.get_mut(place));
            if let Some(slot) = slot {
                slot.next_free = NONE;
                if let Some(capability) = slot.capability.take() {
                    slot.generation = Handle::next_generation(slot.generation);
                    self.used -= 1;
                    return Some(Dismantled::Capability(capability));
                }
            }
        }
        let chunk = core::mem::replace(self.chunks.get_mut(last_chunk as usize)?, NO_CHUNK);
        self.chunk_count = last_chunk;
        self.first_free = NONE;
        self.last_free = NONE;
        storage::push(&mut store.free_chunks, chunk);
        Some(Dismantled::Chunk)
    }

    /// The place of a slot in the store; past its end for a chunk that the table does not have.
    fn place(&self, index: u32) -> Option<usize> {
        let chunk = *self.chunks.get((index / CHUNK_SLOTS) as usize)?;
        Some(usize::from(chunk) * CHUNK_SLOTS as usize + (index % CHUNK_SLOTS) as usize)
    }
}

/// What a step of [`Table::dismantle`] took out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismantled<O> {
    /// A capability; its node and its object have one holder less.
    Capability(Capability<O>),
    /// A chunk; the process's charge for it ends.
    Chunk,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::Tree;

    fn sample(object: u32) -> Capability<u32> {
        let node = Tree::with_capacity(1, 0).unwrap().root(0).unwrap();
        Capability { object, interface: 7, methods: 0b101, node }
    }

    fn table(store: &mut SlotStore<u32>) -> Table {
        let mut table = Table::new();
        table.grow(store).unwrap();
        table
    }

    #[test]
    fn handles_reach_what_they_were_given_out_for() {
        let mut store = SlotStore::with_chunks(2).unwrap();
        let (mut mine, mut other) = (table(&mut store), table(&mut store));
        let first = mine.insert(&mut store, sample(1)).unwrap();
        let second = mine.insert(&mut store, sample(2)).unwrap();
        let foreign = other.insert(&mut store, sample(3)).unwrap();
        assert_eq!(mine.get(&store, second).unwrap().object, 2);
        assert_eq!((first, foreign.index()), (foreign, 0));
        assert_eq!(other.get(&store, first).unwrap().object, 3);
        assert_eq!(mine.remove(&mut store, first).unwrap().object, 1);
        for bad in [first, Handle::NULL, Handle::new(64, 1), Handle(u32::MAX), Handle::new(1, 2)] {
            assert_eq!(mine.get(&store, bad).unwrap_err(), Transport::BadHandle);
            assert_eq!(mine.remove(&mut store, bad).unwrap_err(), Transport::BadHandle);
        }
    }

    #[test]
    fn masks_are_checked_by_method() {
        let capability = sample(1);
        let allowed: Vec<u16> = (0..200).filter(|method| capability.permits(*method)).collect();
        assert_eq!(allowed, [0, 2]);
    }

    #[test]
    fn slots_are_reused_first_in_first_out_with_new_generations() {
        let mut store = SlotStore::with_chunks(1).unwrap();
        let mut table = table(&mut store);
        let handles: Vec<Handle> =
            (0..CHUNK_SLOTS).map(|object| table.insert(&mut store, sample(object)).unwrap()).collect();
        assert_eq!(table.available(), 0);
        assert_eq!(table.insert(&mut store, sample(0)).unwrap_err(), Transport::NoSlot);
        assert_eq!(table.grow(&mut store), Err(Transport::OutOfMemory));
        table.remove(&mut store, handles[9]).unwrap();
        table.remove(&mut store, handles[4]).unwrap();
        let again = [0, 1].map(|object| table.insert(&mut store, sample(object)).unwrap());
        assert_eq!(again, [Handle::new(9, 2), Handle::new(4, 2)]);
    }

    #[test]
    fn a_dismantled_table_gives_everything_back() {
        let mut store = SlotStore::with_chunks(2).unwrap();
        let mut table = Table::new();
        table.grow(&mut store).unwrap();
        table.grow(&mut store).unwrap();
        let handles: Vec<Handle> =
            (0..100).map(|object| table.insert(&mut store, sample(object)).unwrap()).collect();
        for handle in &handles[10..20] {
            table.remove(&mut store, *handle).unwrap();
        }
        let mut seen = Vec::new();
        while let Some(step) = table.dismantle(&mut store) {
            if let Dismantled::Capability(capability) = step {
                seen.push(capability.object);
            }
        }
        seen.sort_unstable();
        let expected: Vec<u32> = (0..100).filter(|object| !(10..20).contains(object)).collect();
        assert_eq!(seen, expected);
        assert_eq!((store.free_chunks(), table.used(), table.available()), (2, 0, 0));
        let mut next = self::table(&mut store);
        let handle = next.insert(&mut store, sample(1)).unwrap();
        assert!(!handles.contains(&handle), "a new table starts with generations that were not used");
    }

    #[test]
    fn a_table_has_a_largest_size() {
        let mut store = SlotStore::<u32>::with_chunks(CHUNKS_MAX as u16 + 1).unwrap();
        let mut table = Table::new();
        for _ in 0..CHUNKS_MAX {
            table.grow(&mut store).unwrap();
        }
        assert_eq!(table.grow(&mut store), Err(Transport::NoSlot));
    }
}
