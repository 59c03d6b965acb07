//! Completion entries: promised before a submission is accepted, so that no completion is ever dropped.
//!
//! The kernel's own view of a completion ring. Ring 3 owns the head and may write anything there; what counts is the last
//! value that was plausible. Called by the kernel's ring code for each thread.
//!
//! Invariant: unread entries plus promised entries never exceed the size of the ring, whatever ring 3 writes.

/// The ring's head is further from its tail than the ring is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadOutOfRange;

/// The entry for a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the ring.
    pub place: u32,
    /// The tail to publish once it is written.
    pub tail: u32,
}

/// The state of one completion ring, kept out of ring 3's reach.
#[derive(Clone, Copy, Debug)]
pub struct Completions {
    entries: u32,
    head: u32,
    tail: u32,
    promised: u32,
}

impl Completions {
    /// An empty ring of `entries` entries, a power of two.
    #[must_use]
    pub const fn new(entries: u32) -> Completions {
        Completions { entries, head: 0, tail: 0, promised: 0 }
    }

    /// Takes note of the head that ring 3 has written.
    ///
    /// # Errors
    /// [`HeadOutOfRange`] if it is not between the last head and the tail; the last one then stays.
    pub const fn observe(&mut self, head: u32) -> Result<(), HeadOutOfRange> {
        if self.tail.wrapping_sub(head) > self.ready() {
            return Err(HeadOutOfRange);
        }
        self.head = head;
        Ok(())
    }

    /// Takes note of the head that ring 3 has written, if it has read all completions; else false, and the last head stays.
    #[inline(always)] // On the way of every call between processes.
    pub const fn observe_all(&mut self, head: u32) -> bool {
        if head != self.tail {
            return false;
        }
        self.head = head;
        true
    }

    /// Completions that ring 3 has not read yet.
    #[must_use]
    pub const fn ready(&self) -> u32 {
        self.tail.wrapping_sub(self.head)
    }

    /// True if one more submission can be accepted.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.ready() + self.promised < self.entries
    }

    /// Promises an entry to a submission; false if there is none.
    pub const fn promise(&mut self) -> bool {
        if !self.has_room() {
            return false;
        }
        self.promised += 1;
        true
    }

    /// Redeems a promise. `None` without one.
    pub const fn post(&mut self) -> Option<Entry> {
        if self.promised == 0 {
            return None;
        }
        self.promised -= 1;
        Some(self.next())
    }

    /// An entry that was not promised, for what is answered at once; `None` if there is no room.
    pub const fn take(&mut self) -> Option<Entry> {
        if self.has_room() { Some(self.next()) } else { None }
    }

    const fn next(&mut self) -> Entry {
        let place = self.tail & (self.entries - 1);
        self.tail = self.tail.wrapping_add(1);
        Entry { place, tail: self.tail }
    }

    /// Entries that are promised and not written.
    #[must_use]
    pub const fn promised(&self) -> u32 {
        self.promised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_accepts_nothing() {
        let mut ring = Completions::new(4);
        for _ in 0..4 {
            assert!(ring.promise());
        }
        assert!(!ring.promise());
        assert_eq!(ring.take(), None);
        assert_eq!(ring.post(), Some(Entry { place: 0, tail: 1 }));
        assert!(!ring.promise());
        ring.observe(1).unwrap();
        assert!(ring.promise());
        assert_eq!(ring.promised(), 4);
    }

    #[test]
    fn hostile_heads_change_nothing() {
        let mut ring = Completions::new(4);
        ring.promise();
        ring.post();
        for head in [2, 5, u32::MAX, 0x8000_0000] {
            assert_eq!(ring.observe(head), Err(HeadOutOfRange));
            assert!(!ring.observe_all(head));
        }
        assert!(!ring.observe_all(0));
        assert_eq!(ring.ready(), 1);
        assert!(ring.observe_all(1));
        assert_eq!(ring.observe(0), Err(HeadOutOfRange));
        assert_eq!(ring.ready(), 0);
        assert_eq!(ring.post(), None);
    }

    #[test]
    fn indices_wrap() {
        let mut ring = Completions { entries: 8, head: u32::MAX - 1, tail: u32::MAX - 1, promised: 0 };
        for turn in 0..20u32 {
            assert!(turn % 2 == 1 || ring.promise());
            let Entry { place, tail } = if turn % 2 == 0 { ring.post() } else { ring.take() }.unwrap();
            assert_eq!(place, (turn + 6) % 8);
            assert_eq!(ring.ready(), 1);
            ring.observe(tail).unwrap();
        }
    }
}
