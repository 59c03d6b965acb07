//! What the fuzzer holds, and what it held.
//!
//! Asked by `kinds` for handles; told by the program what succeeded.
//!
//! Invariant: a handle is in at most one of the lists, and one that was released never comes back as held.

use crate::random::Random;

/// A capability that the fuzzer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its handle.
    pub handle: u32,
    /// Its interface id.
    pub interface: u64,
    /// Its method mask.
    pub methods: u64,
}

/// Capabilities that come and go, at most; the oldest are released first.
const POOL: usize = 24;
/// Released handles that are remembered.
const STALE: usize = 32;

/// What is held.
#[derive(Clone, Debug)]
pub struct World {
    /// A Timer with all methods.
    pub timer: Known,
    /// An EntropySource with all methods.
    pub entropy: Known,
    /// The VirtualMemory of the fuzzer's own process.
    pub memory: Known,
    /// A MemoryObject of one page with all methods.
    pub object: Known,
    pool: [Option<Known>; POOL],
    stale: [u32; STALE],
    released: usize,
}

impl World {
    /// Nothing derived, nothing released. `stale` is a handle that was released before.
    #[must_use]
    pub const fn new(timer: Known, entropy: Known, memory: Known, object: Known, stale: u32) -> World {
        World { timer, entropy, memory, object, pool: [None; POOL], stale: [stale; STALE], released: 0 }
    }

    /// One of the four that are never released.
    pub(crate) fn root(&self, random: &mut Random) -> Known {
        random.pick(&[self.timer, self.entropy, self.memory, self.object])
    }

    /// One that was derived or created, if there is any.
    pub(crate) fn derived(&self, random: &mut Random) -> Option<Known> {
        let start = random.below(POOL as u64) as usize;
        (0..POOL).find_map(|step| self.pool[(start + step) % POOL])
    }

    /// True if another one can be remembered.
    pub(crate) fn has_room(&self, wanted: usize) -> bool {
        self.pool.iter().filter(|place| place.is_none()).count() >= wanted
    }

    /// One that is held only until now: from here on it counts as released.
    pub(crate) fn give_up(&mut self, random: &mut Random) -> Option<Known> {
        let known = self.derived(random)?;
        self.pool.iter_mut().filter(|place| **place == Some(known)).for_each(|place| *place = None);
        self.stale[self.released % STALE] = known.handle;
        self.released += 1;
        Some(known)
    }

    /// A handle that was released.
    pub(crate) fn stale(&self, random: &mut Random) -> u32 {
        random.pick(&self.stale)
    }

    /// Remembers a new one; false if there is no room.
    pub fn remember(&mut self, known: Known) -> bool {
        let place = self.pool.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(known)).is_some()
    }

    /// The next one to release at the end.
    pub fn take(&mut self) -> Option<Known> {
        self.pool.iter_mut().find_map(Option::take)
    }
}
