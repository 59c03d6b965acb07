//! Wall-clock limits: which process is due, and how long to wait.
//!
//! Called by `supervise`. Pure.
//!
//! Invariant: a process is due once.

use alloc::vec::Vec;

/// The deadline of each process, by its place.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    deadlines: Vec<Option<u64>>,
}

impl Schedule {
    /// Adds the next process, which was started at `now` with this limit; nanoseconds.
    pub fn add(&mut self, now: u64, limit: Option<u64>) {
        self.deadlines.push(limit.map(|limit| now.saturating_add(limit)));
    }

    /// The process at `place` has ended.
    pub fn end(&mut self, place: usize) {
        if let Some(deadline) = self.deadlines.get_mut(place) {
            *deadline = None;
        }
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.deadlines.iter().copied().flatten().min()
    }

    /// Takes out a process whose deadline has passed at `now`.
    pub fn take_due(&mut self, now: u64) -> Option<usize> {
        let place =
            self.deadlines.iter().position(|deadline| deadline.is_some_and(|deadline| deadline <= now))?;
        self.end(place);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_each_is_due_once() {
        let mut schedule = Schedule::default();
        schedule.add(100, Some(50));
        schedule.add(100, None);
        schedule.add(110, Some(10));
        assert_eq!(schedule.next(), Some(120));
        assert_eq!(schedule.take_due(119), None);
        assert_eq!(schedule.take_due(120), Some(2));
        assert_eq!(schedule.take_due(120), None);
        assert_eq!(schedule.next(), Some(150));
        schedule.end(0);
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.take_due(u64::MAX), None);
    }

    #[test]
    fn endless_limits_do_not_wrap() {
        let mut schedule = Schedule::default();
        schedule.add(100, Some(u64::MAX));
        assert_eq!(schedule.next(), Some(u64::MAX));
    }
}
