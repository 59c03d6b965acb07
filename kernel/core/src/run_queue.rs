//! The run queue: which thread runs next. Fair between shares of the processor, round robin within a share.
//!
//! Threads and shares are indices. A runnable thread stands in the line of one share; the one that runs stands nowhere. Each
//! share has a virtual time, which is what its threads have used divided by its weight; the share whose virtual time is the
//! lowest is served first. So a share with fifty busy threads gets as much as one with a single busy thread of its weight. A
//! slice of [`SLICE_NANOSECONDS`] ends only if somebody else waits for the processor, so a lone thread is never interrupted
//! for nothing. Called by the kernel's main loop, and by its billing with the time that was used.
//!
//! Invariant: a share that is not held and has threads in its line stands in the order; no other does. So whoever stands in
//! a line has a turn, also if the share was closed, or opened anew, meanwhile. A share that comes back after it had nothing
//! to run has saved up at most [`LAG_NANOSECONDS`], and one that is closed passes what it owes on.

use crate::list::{Links, List};
use crate::storage::{self, AllocationRefused, Numbered};
use crate::timer_queue::TimerQueue;
use alloc::vec::Vec;

/// How long a thread runs while others wait, in nanoseconds: short enough that a person does not see it, long enough
/// that switching costs far below 1 %.
pub const SLICE_NANOSECONDS: u64 = 10_000_000;

/// What a share that waited may have in hand before the others, in nanoseconds of the processor: enough for one that
/// waits for a reply while another one's slice runs, and too little to starve anybody with.
pub const LAG_NANOSECONDS: u64 = 2 * SLICE_NANOSECONDS;

/// The weights of all shares together at most: with it alone, a share's virtual time is the time that it used.
pub use capos_abi::share::WEIGHT_TOTAL;

/// From here on virtual times are counted anew: an hour of a share with the least weight.
const TIME_MAX: u64 = 1 << 62;

/// In no share's line.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Share {
    weight: u32,
    /// Virtual time: nanoseconds times [`WEIGHT_TOTAL`] by weight.
    time: u64,
    /// Threads that could run and do not.
    line: List,
    /// Nothing of it runs.
    is_held: bool,
}

/// The threads that could run and do not, by share.
pub struct RunQueue {
    links: Links,
    /// The share in whose line each thread stands; [`NONE`] for one that stands in none.
    share_of: Numbered<u32>,
    /// Up to the highest that was ever opened.
    shares: Vec<Share>,
    /// The shares that have somebody to run, by virtual time.
    order: TimerQueue,
    /// The virtual time of the share that was served last, at that moment: it never goes back.
    floor: u64,
}

/// A thread, and the share that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The thread.
    pub thread: u32,
    /// The share.
    pub share: u32,
}

/// Nanoseconds as virtual time of a share with this weight.
const fn weighted(nanoseconds: u64, weight: u32) -> u64 {
    nanoseconds.saturating_mul(WEIGHT_TOTAL as u64) / if weight == 0 { 1 } else { weight as u64 }
}

impl RunQueue {
    /// A queue for the threads 0 to `threads - 1` and the shares 0 to `shares - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(threads: u32, shares: u32) -> Result<RunQueue, AllocationRefused> {
        let mut places = Vec::new();
        storage::reserve(&mut places, shares as usize)?;
        Ok(RunQueue {
            links: Links::with_capacity(threads)?,
            share_of: Numbered::with_capacity(threads, NONE)?,
            shares: places,
            order: TimerQueue::with_capacity(shares)?,
            floor: 0,
        })
    }

    /// A share with this weight begins, without advance and without debt. Who stands in its line already stays there.
    pub fn open(&mut self, share: u32, weight: u32) {
        let opened = Share { weight, time: self.floor, line: List::EMPTY, is_held: false };
        storage::reach(&mut self.shares, share as usize, opened);
        if let Some(place) = self.shares.get_mut(share as usize) {
            *place = Share { line: place.line, ..opened };
        }
        self.enter_order(share);
    }

    /// A share ends. Returns the nanoseconds that it has used before the others: whoever gets its weight back is charged for
    /// them, or opening shares would be a way to get ahead. Who stands in its line still has a turn, and a held one as well.
    pub fn close(&mut self, share: u32) -> u64 {
        let Some(place) = self.shares.get_mut(share as usize) else { return 0 };
        let ahead = u128::from(place.time.saturating_sub(self.floor));
        let owed = ahead * u128::from(place.weight) / u128::from(WEIGHT_TOTAL);
        (place.is_held, place.time) = (false, place.time.min(self.floor));
        self.enter_order(share);
        owed as u64
    }

    /// Changes the weight of a share; what it has used stays as it was counted.
    pub fn set_weight(&mut self, share: u32, weight: u32) {
        if let Some(place) = self.shares.get_mut(share as usize) {
            place.weight = weight;
        }
    }

    /// Makes `thread` runnable on `share`, behind the others of the share or before them; no effect if it is runnable.
    pub fn push(&mut self, thread: u32, share: u32, is_first: bool) {
        let Some(place) = self.shares.get_mut(share as usize) else { return };
        let was_empty = place.line.is_empty();
        let is_new = if is_first {
            self.links.push_front(&mut place.line, thread)
        } else {
            self.links.push_back(&mut place.line, thread)
        };
        if !is_new {
            return;
        }
        self.share_of.reach(thread);
        if let Some(of) = self.share_of.get_mut(thread) {
            *of = share;
        }
        if was_empty {
            place.time = place.time.max(self.floor.saturating_sub(weighted(LAG_NANOSECONDS, place.weight)));
            self.enter_order(share);
        }
    }

    /// The thread that runs next: the first of the share with the lowest virtual time.
    pub fn pop(&mut self) -> Option<Turn> {
        let share = self.order.pop_expired(u64::MAX)?;
        let place = self.shares.get_mut(share as usize)?;
        self.floor = self.floor.max(place.time);
        let thread = self.links.pop_front(&mut place.line)?;
        if let Some(of) = self.share_of.get_mut(thread) {
            *of = NONE;
        }
        self.enter_order(share);
        Some(Turn { thread, share })
    }

    /// Takes `thread` out, wherever it stands; no effect if it does not.
    pub fn remove(&mut self, thread: u32) {
        let Some(of) = self.share_of.get_mut(thread) else { return };
        let share = core::mem::replace(of, NONE);
        let Some(place) = self.shares.get_mut(share as usize) else { return };
        self.links.remove(&mut place.line, thread);
        if place.line.is_empty() {
            self.order.cancel(share);
        }
    }

    /// True if nobody waits for the processor who may have it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.next().is_none()
    }

    /// The share has used the processor for so long.
    pub fn charge(&mut self, share: u32, nanoseconds: u64) {
        let Some(place) = self.shares.get_mut(share as usize) else { return };
        place.time = place.time.saturating_add(weighted(nanoseconds, place.weight));
        let is_late = place.time > TIME_MAX;
        self.enter_order(share);
        if is_late {
            self.count_anew();
        }
    }

    /// Nothing of the share runs until [`RunQueue::resume`].
    pub fn hold(&mut self, share: u32) {
        if let Some(place) = self.shares.get_mut(share as usize) {
            place.is_held = true;
            self.order.cancel(share);
        }
    }

    /// The share may run again.
    pub fn resume(&mut self, share: u32) {
        if let Some(place) = self.shares.get_mut(share as usize) {
            place.is_held = false;
            place.time = place.time.max(self.floor.saturating_sub(weighted(LAG_NANOSECONDS, place.weight)));
            self.enter_order(share);
        }
    }

    /// True between [`RunQueue::hold`] and [`RunQueue::resume`].
    #[must_use]
    pub fn is_held(&self, share: u32) -> bool {
        self.shares.get(share as usize).is_some_and(|share| share.is_held)
    }

    /// The first thread in the share's line.
    #[must_use]
    pub fn first(&self, share: u32) -> Option<u32> {
        self.shares.get(share as usize)?.line.first()
    }

    /// The thread behind `thread` in its line.
    #[must_use]
    pub fn next(&self, thread: u32) -> Option<u32> {
        self.links.next(thread)
    }

    /// Puts the share at its place in the order, if it has one.
    fn enter_order(&mut self, share: u32) {
        if let Some(place) =
            self.shares.get(share as usize).filter(|place| !place.line.is_empty() && !place.is_held)
        {
            self.order.set(share, place.time);
        }
    }

    /// Takes the floor off every virtual time. Takes a step for each share.
    fn count_anew(&mut self) {
        let floor = core::mem::take(&mut self.floor);
        for share in 0..self.shares.len() as u32 {
            if let Some(place) = self.shares.get_mut(share as usize) {
                place.time = place.time.saturating_sub(floor);
            }
            self.enter_order(share);
        }
    }
}

#[cfg(test)]
mod tests;
