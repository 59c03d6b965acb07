//! The timer queue: who is to be woken when.
//!
//! A binary heap over timers that are indices, each with at most one deadline, and a map from timer to place, so that a
//! deadline can be withdrawn. There is no tick: the kernel programs one interrupt for [`TimerQueue::next`]. Called by
//! the kernel for `enter` deadlines and `Timer.sleep`.
//!
//! Invariant: timers come out in the order of their deadlines, equal ones in the order in which they were set. Setting
//! and withdrawing take O(log n) steps and never allocate.

use crate::storage::{AllocationRefused, Numbered, push, reserve};
use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: u64,
    sequence: u64,
    timer: u32,
}

/// Deadlines of up to `capacity` timers.
pub struct TimerQueue {
    heap: Vec<Entry>,
    /// Where each timer is in the heap.
    places: Numbered<u32>,
    sequence: u64,
}

impl TimerQueue {
    /// A queue for the timers 0 to `capacity - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<TimerQueue, AllocationRefused> {
        let mut heap = Vec::new();
        reserve(&mut heap, capacity as usize)?;
        Ok(TimerQueue { heap, places: Numbered::with_capacity(capacity, NONE)?, sequence: 0 })
    }

    /// Sets the deadline of `timer`, in nanoseconds, replacing the one it had. No effect for a timer out of range.
    pub fn set(&mut self, timer: u32, deadline: u64) {
        self.cancel(timer);
        if !self.places.reach(timer) {
            return;
        }
        self.sequence += 1;
        if push(&mut self.heap, Entry { deadline, sequence: self.sequence, timer }) {
            self.rise(self.heap.len() - 1);
        }
    }

    /// Withdraws the deadline of `timer`; no effect if it has none.
    pub fn cancel(&mut self, timer: u32) {
        let Some(place) = self.places.get_mut(timer) else { return };
        let at = core::mem::replace(place, NONE) as usize;
        if at >= self.heap.len() {
            return;
        }
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            let at = self.rise(at);
            self.sink(at);
        }
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// Takes out one timer whose deadline is not after `now`.
    pub fn pop_expired(&mut self, now: u64) -> Option<u32> {
        let first = *self.heap.first()?;
        if first.deadline > now {
            return None;
        }
        self.cancel(first.timer);
        Some(first.timer)
    }

    fn settle(&mut self, at: usize) {
        if let Some(entry) = self.heap.get(at)
            && let Some(place) = self.places.get_mut(entry.timer)
        {
            *place = at as u32;
        }
    }

    fn exchange(&mut self, first: usize, second: usize) {
        self.heap.swap(first, second);
        self.settle(first);
        self.settle(second);
    }

    fn rise(&mut self, mut at: usize) -> usize {
        self.settle(at);
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[parent] <= self.heap[at] {
                break;
            }
            self.exchange(parent, at);
            at = parent;
        }
        at
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2].into_iter().filter(|child| *child < self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { return };
            if self.heap[at] <= self.heap[least] {
                return;
            }
            self.exchange(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut TimerQueue, now: u64) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop_expired(now)).collect()
    }

    #[test]
    fn deadlines_come_in_order() {
        let mut queue = TimerQueue::with_capacity(8).unwrap();
        for (timer, deadline) in [(0, 50), (1, 10), (2, 30), (3, 10), (4, 40)] {
            queue.set(timer, deadline);
        }
        assert_eq!(queue.next(), Some(10));
        assert_eq!(drain(&mut queue, 9), []);
        assert_eq!(drain(&mut queue, 40), [1, 3, 2, 4]);
        assert_eq!(drain(&mut queue, u64::MAX), [0]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn deadlines_are_replaced_and_withdrawn() {
        let mut queue = TimerQueue::with_capacity(4).unwrap();
        queue.set(0, 10);
        queue.set(1, 20);
        queue.set(0, 30);
        queue.cancel(1);
        queue.cancel(3);
        queue.set(9, 1);
        assert_eq!(drain(&mut queue, 100), [0]);
    }

    #[test]
    fn random_use_agrees_with_a_sorted_model() {
        let mut queue = TimerQueue::with_capacity(32).unwrap();
        let mut model: Vec<(u64, u64, u32)> = Vec::new();
        let mut state = 1u64;
        for step in 0..if cfg!(miri) { 200 } else { 20_000u64 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let timer = (state >> 33) as u32 % 32;
            model.retain(|entry| entry.2 != timer);
            if state >> 60 < 11 {
                queue.set(timer, state >> 50);
                model.push((state >> 50, step, timer));
            } else {
                queue.cancel(timer);
            }
            if state >> 60 == 3 {
                model.sort();
                let expected = model.first().copied();
                assert_eq!(queue.next(), expected.map(|entry| entry.0));
                assert_eq!(queue.pop_expired(u64::MAX), expected.map(|entry| entry.2));
                model.retain(|entry| Some(*entry) != expected);
            }
        }
    }
}
