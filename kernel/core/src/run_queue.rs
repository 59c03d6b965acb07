//! The run queue: which thread runs next, round robin.
//!
//! Threads are indices. A runnable thread stands in the queue once; the one that runs stands nowhere. A slice of
//! [`SLICE_NANOSECONDS`] ends only if somebody else waits for the processor, so a lone thread is never interrupted for
//! nothing. Called by the kernel's main loop.
//!
//! Invariant: threads leave in the order in which they came.

use crate::list::{Links, List};
use crate::storage::AllocationRefused;

/// How long a thread runs while others wait, in nanoseconds: short enough that a person does not see it, long enough
/// that switching costs far below 1 %.
pub const SLICE_NANOSECONDS: u64 = 10_000_000;

/// The threads that could run and do not.
pub struct RunQueue {
    links: Links,
    queue: List,
}

impl RunQueue {
    /// A queue for the threads 0 to `capacity - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<RunQueue, AllocationRefused> {
        Ok(RunQueue { links: Links::with_capacity(capacity)?, queue: List::EMPTY })
    }

    /// Makes `thread` runnable; no effect if it is.
    pub fn push(&mut self, thread: u32) {
        self.links.push_back(&mut self.queue, thread);
    }

    /// The thread that runs next.
    pub fn pop(&mut self) -> Option<u32> {
        self.links.pop_front(&mut self.queue)
    }

    /// Takes `thread` out, wherever it stands; no effect if it does not.
    pub fn remove(&mut self, thread: u32) {
        self.links.remove(&mut self.queue, thread);
    }

    /// True if nobody waits for the processor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_take_turns() {
        let mut queue = RunQueue::with_capacity(3).unwrap();
        for thread in [2, 0, 1, 0] {
            queue.push(thread);
        }
        let first = queue.pop().unwrap();
        queue.push(first);
        assert_eq!(core::array::from_fn(|_| queue.pop()), [Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn an_ended_thread_leaves() {
        let mut queue = RunQueue::with_capacity(3).unwrap();
        queue.push(0);
        queue.push(1);
        queue.remove(0);
        queue.remove(2);
        assert_eq!((queue.pop(), queue.pop()), (Some(1), None));
        assert!(queue.is_empty());
    }
}
