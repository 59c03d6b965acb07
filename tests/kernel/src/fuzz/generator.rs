//! Draws the next step.
//!
//! Called by the program `fuzz`, batch by batch; calls the rows of `kinds`.
//!
//! Invariant: the same seed and the same answers give the same steps.

use super::kinds::{self, Row};
use super::step::{Effect, SLOTS, Step};
use super::world::{Known, World};
use crate::random::Random;
use capos_abi::ring::Layout;

/// Addresses in the fuzzer's own process that steps are about.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// A u32 that can be parked on.
    pub word: u64,
    /// What it holds.
    pub value: u32,
    /// A mapped page that cannot be written.
    pub read_only: u64,
}

/// What follows a step in its batch by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Follow {
    /// A receive that gets a call or an event, and what comes with it.
    Receive(Effect),
    /// A receive that gets nothing and is cancelled.
    Refused,
    /// The cancellation of the operation with this user data.
    Cancel(u64),
    /// A signal of these bits.
    Signal(u64),
    /// Nothing in particular.
    Nothing,
}

/// Makes steps.
#[derive(Debug)]
pub struct Generator {
    /// The numbers.
    pub random: Random,
    /// What is held.
    pub world: World,
    pub(crate) places: Places,
    pub(crate) layout: Layout,
    pub(crate) slot: usize,
    pub(crate) batch: usize,
    /// Capabilities that earlier steps of the batch will bring.
    pub(crate) promised: usize,
    /// The user data of an operation that waits until it is cancelled.
    pub(crate) waiting: Option<u64>,
    pub(crate) user_data: u64,
    following: [Option<Follow>; 3],
}

impl Generator {
    /// Starts with a seed.
    #[must_use]
    pub const fn new(seed: u64, world: World, places: Places, layout: Layout) -> Generator {
        let random = Random::new(seed);
        Generator {
            random,
            world,
            places,
            layout,
            slot: 0,
            batch: 0,
            promised: 0,
            waiting: None,
            user_data: 0,
            following: [None; 3],
        }
    }

    /// Begins a batch; returns how many steps it has.
    pub fn begin(&mut self) -> usize {
        self.slot = 0;
        self.promised = 0;
        self.batch = 1 + self.random.below(SLOTS as u64) as usize;
        self.batch
    }

    /// The next step of the batch. Its user data is word 2.
    pub fn step(&mut self) -> Step {
        let step = match self.following.iter_mut().find_map(Option::take) {
            Some(follow) => Some(kinds::following(self, follow)),
            None => {
                let row = if self.waiting.is_some() { &kinds::CANCEL } else { self.draw() };
                (row.make)(self)
            }
        };
        let mut step = step.unwrap_or_else(|| kinds::nop(self));
        step.words[2] = self.user_data;
        self.user_data += 1;
        self.slot += 1;
        step
    }

    fn draw(&mut self) -> &'static Row {
        let total: u64 = kinds::ROWS.iter().map(|row| row.weight).sum();
        let mut rest = self.random.below(total);
        for row in kinds::ROWS {
            match rest.checked_sub(row.weight) {
                Some(less) => rest = less,
                None => return row,
            }
        }
        &kinds::CANCEL
    }

    /// True if another step follows in this batch.
    pub(crate) const fn has_next(&self) -> bool {
        self.slot + 1 < self.batch
    }

    /// True if `count` more steps follow in this batch.
    pub(crate) const fn has_more(&self, count: usize) -> bool {
        self.slot + count < self.batch
    }

    /// The next steps of this batch.
    pub(crate) fn follow(&mut self, steps: [Follow; 3]) {
        self.following = steps.map(|step| Some(step).filter(|step| !matches!(step, Follow::Nothing)));
    }

    /// A handle that names nothing: released, never given out, or null.
    pub(crate) fn dead_handle(&mut self) -> u32 {
        match self.random.below(4) {
            0 => 0,
            1 => self.world.timer.handle ^ (1 << 31),
            2 => 0x000f_0000 | self.random.next() as u32 & 0xfff0_ffff,
            _ => self.world.stale(&mut self.random),
        }
    }

    /// Something that is held.
    pub(crate) fn held(&mut self) -> Known {
        if self.random.once_in(2)
            && let Some(known) = self.world.derived(&mut self.random)
        {
            return known;
        }
        self.world.root(&mut self.random)
    }
}
