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
    /// The handle of the one that it was derived from; 0 for one that was granted.
    pub source: u32,
}

/// Capabilities that come and go, at most; the oldest are released first.
const POOL: usize = 24;
/// Mappings at most.
const MAPPINGS: usize = 8;
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
    /// The receive side of an endpoint.
    pub endpoint: Known,
    /// Its root object.
    pub service: Known,
    /// The root object of an endpoint that is closed.
    pub orphan: Known,
    /// A Notification with all methods.
    pub notification: Known,
    /// An object whose process has ended, at an endpoint that is open.
    pub dead_object: Known,
    pool: [Option<Known>; POOL],
    stale: [u32; STALE],
    /// Of the released ones: the handle, and what it was derived from.
    gone: [(u32, u32); STALE],
    released: usize,
    /// Held, and revoked.
    dead: [Option<u32>; POOL],
    /// Where the object is mapped.
    mappings: [Option<u64>; MAPPINGS],
    /// Mappings that steps of the batch will bring.
    expected_mappings: usize,
}

impl World {
    /// Nothing derived, nothing released. `roots` are the fields in their order; `stale` is a handle that was released before.
    #[must_use]
    pub const fn new(roots: [Known; 9], stale: u32) -> World {
        let [timer, entropy, memory, object, endpoint, service, orphan, notification, dead_object] = roots;
        World {
            timer,
            entropy,
            memory,
            object,
            endpoint,
            service,
            orphan,
            notification,
            dead_object,
            pool: [None; POOL],
            stale: [stale; STALE],
            gone: [(0, 0); STALE],
            released: 0,
            dead: [None; POOL],
            mappings: [None; MAPPINGS],
            expected_mappings: 0,
        }
    }

    /// One of those that are never released.
    pub(crate) fn root(&self, random: &mut Random) -> Known {
        random.pick(&[
            self.timer,
            self.entropy,
            self.memory,
            self.object,
            self.endpoint,
            self.service,
            self.notification,
        ])
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
        // What came from it comes from what it came from.
        let children = self.pool.iter_mut().flatten().filter(|one| one.source == known.handle);
        children.for_each(|one| one.source = known.source);
        self.went(known.handle, known.source);
        Some(known)
    }

    /// One that is on its way from here on, to come back under another handle.
    pub(crate) fn send_away(&mut self, random: &mut Random) -> Option<Known> {
        let known = self.derived(random)?;
        self.pool.iter_mut().filter(|place| **place == Some(known)).for_each(|place| *place = None);
        Some(known)
    }

    /// What was sent away as `before` has come back: what came from it comes from what it is now. False if there is no room.
    pub fn come_back(&mut self, before: u32, known: Known) -> bool {
        self.went(before, known.handle);
        self.pool
            .iter_mut()
            .flatten()
            .filter(|one| one.source == before)
            .for_each(|one| one.source = known.handle);
        for (_, source) in self.gone.iter_mut().filter(|(_, source)| *source == before) {
            *source = known.handle;
        }
        self.remember(known)
    }

    fn went(&mut self, handle: u32, source: u32) {
        self.stale[self.released % STALE] = handle;
        self.gone[self.released % STALE] = (handle, source);
        self.released += 1;
    }

    /// Some capability that comes and goes: from here on everything that came from it counts as revoked. None if there is
    /// no room to remember what that is.
    pub(crate) fn revoke(&mut self, random: &mut Random) -> Option<Known> {
        let root = self.derived(random)?;
        let room = self.dead.iter().filter(|place| place.is_none()).count();
        let below = (0..POOL)
            .filter(|place| self.is_below(*place, root.handle))
            .fold(0, |all, one| all | 1u32 << one);
        if below.count_ones() as usize > room {
            return None;
        }
        for place in (0..POOL).filter(|place| below >> place & 1 != 0) {
            let handle = self.pool[place].take().map(|known| known.handle);
            if let Some(free) = self.dead.iter_mut().find(|place| place.is_none()) {
                *free = handle;
            }
        }
        Some(root)
    }

    fn is_below(&self, place: usize, root: u32) -> bool {
        let mut next = self.pool[place];
        while let Some(known) = next {
            if known.source == root {
                return true;
            }
            next = self.pool.iter().flatten().find(|one| one.handle == known.source).copied();
        }
        false
    }

    /// One that was revoked and is held.
    pub(crate) fn revoked(&self, random: &mut Random) -> Option<u32> {
        let start = random.below(POOL as u64) as usize;
        (0..POOL).find_map(|step| self.dead[(start + step) % POOL])
    }

    /// The same, held only until now.
    pub(crate) fn give_up_revoked(&mut self, random: &mut Random) -> Option<u32> {
        let handle = self.revoked(random)?;
        self.dead.iter_mut().filter(|place| **place == Some(handle)).for_each(|place| *place = None);
        self.went(handle, 0);
        Some(handle)
    }

    /// A handle that was released.
    pub(crate) fn stale(&self, random: &mut Random) -> u32 {
        random.pick(&self.stale)
    }

    /// Remembers a new one; false if there is no room.
    pub fn remember(&mut self, mut known: Known) -> bool {
        // What it came from may have been released in the same batch.
        while let Some((_, source)) =
            self.gone.iter().find(|(gone, _)| known.source != 0 && *gone == known.source)
        {
            known.source = *source;
        }
        let place = self.pool.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(known)).is_some()
    }

    /// True if another mapping can be remembered.
    pub(crate) fn has_room_for_mapping(&self) -> bool {
        self.mappings.iter().flatten().count() + self.expected_mappings < MAPPINGS
    }

    /// A step will bring a mapping.
    pub(crate) fn expect_mapping(&mut self) {
        self.expected_mappings += 1;
    }

    /// It is at this address; false if there is no room.
    pub fn remember_mapping(&mut self, address: u64) -> bool {
        self.expected_mappings = self.expected_mappings.saturating_sub(1);
        let place = self.mappings.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(address)).is_some()
    }

    /// The address of a mapping that is there only until now.
    pub fn give_up_mapping(&mut self) -> Option<u64> {
        self.mappings.iter_mut().find_map(Option::take)
    }

    /// The handle of the next one to release at the end.
    pub fn take(&mut self) -> Option<u32> {
        let live = self.pool.iter_mut().find_map(Option::take).map(|known| known.handle);
        live.or_else(|| self.dead.iter_mut().find_map(Option::take))
    }
}
