//! Pools: a fixed number of values of one type, named by generation-tagged ids.
//!
//! What ring 3 can make the kernel create lives in a pool of its type: its memory is set aside at start-up, so creating is a constant
//! number of steps and "full" is an answer, not a failure of the allocator. Called by the kernel for processes, threads,
//! operations and objects.
//!
//! Invariant: an id reaches the value it was made for or nothing. Free entries are reused first in, first out, which
//! keeps stale ids apart for as long as possible.

use crate::storage::{self, AllocationRefused};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::num::NonZeroU32;

const NONE: u32 = u32::MAX;

/// Names one value of one pool.
pub struct Id<T> {
    index: u32,
    generation: NonZeroU32,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// An id that reaches nothing: no pool has so many entries.
    pub const NOTHING: Id<T> = Id::new(u32::MAX, NonZeroU32::MIN);

    const fn new(index: u32, generation: NonZeroU32) -> Id<T> {
        Id { index, generation, of: PhantomData }
    }

    /// Rebuilds an id from the parts that [`Id::index`] and [`Id::generation`] gave; `None` for a generation that there is not.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Option<Id<T>> {
        match NonZeroU32::new(generation) {
            Some(generation) => Some(Id::new(index, generation)),
            None => None,
        }
    }

    /// The entry in the pool.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The use of that entry which is meant.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation.get()
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Id<T> {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Id<T>) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Id<T> {}

impl<T> core::fmt::Debug for Id<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}:{}", self.index, self.generation)
    }
}

/// Behind the last one comes the first again.
const fn next_generation(generation: NonZeroU32) -> NonZeroU32 {
    match generation.checked_add(1) {
        Some(next) => next,
        None => NonZeroU32::MIN,
    }
}

struct Entry<T> {
    generation: NonZeroU32,
    next_free: u32,
    value: Option<T>,
}

/// A fixed number of entries for values of one type.
pub struct Pool<T> {
    /// The entries that were used at least once; the others come before them in the order of use.
    entries: Vec<Entry<T>>,
    capacity: u32,
    first_free: u32,
    last_free: u32,
    used: usize,
}

impl<T> Pool<T> {
    /// A pool with `capacity` free entries.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<Pool<T>, AllocationRefused> {
        let mut entries = Vec::new();
        storage::reserve(&mut entries, capacity as usize)?;
        Ok(Pool { entries, capacity, first_free: NONE, last_free: NONE, used: 0 })
    }

    /// Bytes of memory that one entry takes: what its owner is charged.
    #[must_use]
    pub const fn entry_bytes() -> u64 {
        size_of::<Entry<T>>() as u64
    }

    /// Moves the value into a free entry; `None`, with the value dropped, if the pool is full.
    pub fn insert(&mut self, value: T) -> Option<Id<T>> {
        let fresh = self.entries.len() as u32;
        if fresh < self.capacity {
            let entry = Entry { generation: NonZeroU32::MIN, next_free: NONE, value: Some(value) };
            let is_taken = storage::push(&mut self.entries, entry);
            self.used += usize::from(is_taken);
            return is_taken.then_some(Id::new(fresh, NonZeroU32::MIN));
        }
        let index = self.first_free;
        let entry = self.entries.get_mut(index as usize)?;
        self.first_free = entry.next_free;
        entry.next_free = NONE;
        entry.value = Some(value);
        self.used += 1;
        if self.first_free == NONE {
            self.last_free = NONE;
        }
        Some(Id::new(index, entry.generation))
    }

    /// The value that `id` names.
    #[inline]
    #[must_use]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation == id.generation { entry.value.as_ref() } else { None }
    }

    /// The value that `id` names.
    #[inline]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation == id.generation { entry.value.as_mut() } else { None }
    }

    /// The values with two ids, if both exist and are not the same.
    #[inline(always)] // On the path of every call between processes.
    pub fn get_two_mut(&mut self, one: Id<T>, other: Id<T>) -> Option<(&mut T, &mut T)> {
        let indices = [one.index as usize, other.index as usize];
        let [first, second] = self.entries.get_disjoint_mut(indices).ok()?;
        if first.generation != one.generation || second.generation != other.generation {
            return None;
        }
        Some((first.value.as_mut()?, second.value.as_mut()?))
    }

    /// Gives the value a new id and the old one nothing, without moving it: what was known under the old id has ended. `None`
    /// if there is none.
    #[inline]
    pub fn renew(&mut self, id: Id<T>) -> Option<Id<T>> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation != id.generation || entry.value.is_none() {
            return None;
        }
        entry.generation = next_generation(entry.generation);
        Some(Id::new(id.index, entry.generation))
    }

    /// The same with the new id given, which names the same entry: for a count of renewals that was kept elsewhere.
    pub fn renew_as(&mut self, id: Id<T>, new: Id<T>) -> Option<Id<T>> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation != id.generation || new.index != id.index || entry.value.is_none() {
            return None;
        }
        entry.generation = new.generation;
        Some(new)
    }

    /// Drops the value where it is and frees its entry; false if there is none.
    pub fn discard(&mut self, id: Id<T>) -> bool {
        let Some(entry) = self.entries.get_mut(id.index as usize) else { return false };
        if entry.generation != id.generation || entry.value.is_none() {
            return false;
        }
        entry.value = None;
        self.free(id.index);
        true
    }

    /// Takes the value out and frees its entry.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation != id.generation {
            return None;
        }
        let value = entry.value.take()?;
        self.free(id.index);
        Some(value)
    }

    /// Puts an entry that has lost its value behind the free ones.
    #[inline]
    fn free(&mut self, index: u32) {
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.generation = next_generation(entry.generation);
        }
        self.used -= 1;
        match self.entries.get_mut(self.last_free as usize) {
            Some(last) => last.next_free = index,
            None => self.first_free = index,
        }
        self.last_free = index;
    }

    /// The id of the value in entry `index`, if it holds one. For walks in bounded steps.
    #[must_use]
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        let entry = self.entries.get(index as usize)?;
        entry.value.as_ref().map(|_| Id::new(index, entry.generation))
    }

    /// The number of entries, used or free.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The number of entries that have held a value at any time: all others are past them. The bound of a walk.
    #[must_use]
    pub fn reach(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The number of entries that hold a value.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// True if [`Pool::insert`] would be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.first_free == NONE && self.entries.len() as u32 == self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_refuses() {
        let mut pool = Pool::with_capacity(2).unwrap();
        let first = pool.insert('a').unwrap();
        pool.insert('b').unwrap();
        assert!(pool.is_full());
        assert_eq!(pool.reach(), 2);
        assert_eq!(pool.insert('c'), None);
        assert_eq!(pool.remove(first), Some('a'));
        assert!(pool.insert('c').is_some());
        assert_eq!(pool.used(), 2);
    }

    #[test]
    fn stale_ids_reach_nothing() {
        let mut pool = Pool::with_capacity(1).unwrap();
        let old = pool.insert(1).unwrap();
        assert!(pool.discard(old) && !pool.discard(old));
        let new = pool.insert(2).unwrap();
        assert_eq!(old.index(), new.index());
        assert_eq!((pool.get(old), pool.get(new)), (None, Some(&2)));
        assert_eq!(pool.remove(old), None);
        assert_eq!(Id::from_parts(7, 1).and_then(|id| pool.get_mut(id)), None);
    }

    #[test]
    fn a_renewed_value_stays_and_its_old_id_reaches_nothing() {
        let mut pool = Pool::with_capacity(2).unwrap();
        let old = pool.insert(1).unwrap();
        let new = pool.renew(old).unwrap();
        assert_eq!((pool.get(old), pool.get(new)), (None, Some(&1)));
        assert_eq!((pool.renew(old), pool.id_at(old.index()), pool.used()), (None, Some(new), 1));
        let later = Id::from_parts(new.index(), 9).unwrap();
        assert_eq!(pool.renew_as(old, later), None);
        assert_eq!(pool.renew_as(new, Id::from_parts(7, 9).unwrap()), None);
        assert_eq!(
            (pool.renew_as(new, later), pool.get(new), pool.get(later)),
            (Some(later), None, Some(&1))
        );
        assert_eq!(pool.remove(later), Some(1));
        assert_eq!((pool.renew(later), pool.renew_as(later, new)), (None, None));
    }

    #[test]
    fn two_are_reached_at_once_if_they_are_two() {
        let mut pool = Pool::with_capacity(3).unwrap();
        let [one, other, gone] = [1, 2, 3].map(|value| pool.insert(value).unwrap());
        pool.remove(gone);
        assert_eq!(pool.get_two_mut(other, one), Some((&mut 2, &mut 1)));
        assert_eq!(pool.get_two_mut(one, one), None);
        assert_eq!(pool.get_two_mut(one, gone), None);
        assert_eq!(pool.get_two_mut(Id::from_parts(9, 1).unwrap(), one), None);
        assert_eq!(Id::<i32>::from_parts(0, 0), None);
    }

    #[test]
    fn entries_are_reused_first_in_first_out() {
        let mut pool = Pool::with_capacity(3).unwrap();
        let ids = [0, 1, 2].map(|value| pool.insert(value).unwrap());
        for at in [1, 0, 2] {
            pool.remove(ids[at]);
        }
        let order = [0, 1, 2].map(|value| pool.insert(value).unwrap().index());
        assert_eq!(order, [1, 0, 2]);
    }

    #[test]
    fn an_empty_pool_works() {
        let mut pool = Pool::with_capacity(0).unwrap();
        assert_eq!(pool.insert(1), None);
        assert!(pool.is_full());
    }
}
