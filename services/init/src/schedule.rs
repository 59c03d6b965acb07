//! What is due when: the ends of processes by their wall-clock limits, and their next starts.
//!
//! Called by `supervise`. Pure.
//!
//! Invariant: a process has one thing that is due at most, and it is due once.

use alloc::vec::Vec;

/// The longest wait before a process is started again: nanoseconds.
const WAIT_MAX: u64 = 60_000_000_000;

/// What is due for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its time is up.
    End,
    /// It is to be started again.
    Start,
}

/// What is due for each process, by its place.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    due: Vec<Option<(u64, Due)>>,
}

impl Schedule {
    /// The process at `place` was started at `now` with this limit; nanoseconds.
    pub fn start(&mut self, place: usize, now: u64, limit: Option<u64>) {
        self.set(place, limit.map(|limit| (now.saturating_add(limit), Due::End)));
    }

    /// The process at `place` is to be started again `wait` after `now`; nanoseconds.
    pub fn start_again(&mut self, place: usize, now: u64, wait: u64) {
        self.set(place, Some((now.saturating_add(wait), Due::Start)));
    }

    /// Nothing is due for the process at `place` any more.
    pub fn end(&mut self, place: usize) {
        self.set(place, None);
    }

    fn set(&mut self, place: usize, due: Option<(u64, Due)>) {
        if self.due.len() <= place {
            self.due.resize(place + 1, None);
        }
        self.due[place] = due;
    }

    /// When the first thing is due.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.due.iter().flatten().map(|(time, _)| *time).min()
    }

    /// Takes out a thing that is due at `now`, with the process's place.
    pub fn take_due(&mut self, now: u64) -> Option<(usize, Due)> {
        let is_due = |due: &Option<(u64, Due)>| due.is_some_and(|(time, _)| time <= now);
        let place = self.due.iter().position(is_due)?;
        let (_, due) = self.due[place].take()?;
        Some((place, due))
    }
}

/// The wait before the start after `earlier` others: twice as long each time, from `first` up to a minute; nanoseconds.
#[must_use]
pub fn wait(first: u64, earlier: u32) -> u64 {
    first.saturating_mul(1_u64.checked_shl(earlier).unwrap_or(u64::MAX)).min(WAIT_MAX.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_each_is_due_once() {
        let mut schedule = Schedule::default();
        schedule.start(0, 100, Some(50));
        schedule.start(1, 100, None);
        schedule.start(2, 110, Some(10));
        assert_eq!(schedule.next(), Some(120));
        assert_eq!(schedule.take_due(119), None);
        assert_eq!(schedule.take_due(120), Some((2, Due::End)));
        assert_eq!(schedule.take_due(120), None);
        schedule.start_again(2, 120, 5);
        assert_eq!(schedule.next(), Some(125));
        assert_eq!(schedule.take_due(130), Some((2, Due::Start)));
        assert_eq!(schedule.next(), Some(150));
        schedule.end(0);
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.take_due(u64::MAX), None);
    }

    #[test]
    fn endless_limits_do_not_wrap() {
        let mut schedule = Schedule::default();
        schedule.start(0, 100, Some(u64::MAX));
        assert_eq!(schedule.next(), Some(u64::MAX));
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        assert_eq!([0, 1, 2, 3].map(|earlier| wait(10, earlier)), [10, 20, 40, 80]);
        assert_eq!(wait(10_000_000, 13), WAIT_MAX);
        assert_eq!(wait(1, 1_000_000), WAIT_MAX);
        // A first wait that is longer stays what it is.
        assert_eq!(wait(2 * WAIT_MAX, 5), 2 * WAIT_MAX);
    }
}
