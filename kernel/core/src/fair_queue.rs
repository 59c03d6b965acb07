//! Fair queues: first in, first out for each account, and the accounts in turn.
//!
//! One store serves many queues. An element is an index of the kernel's choice, in at most one queue of the store; a queue
//! keeps one line of elements for each account that has some in it. Called by the kernel for calls that wait at an endpoint,
//! for receives that wait for calls, and for events that a server has not been told.
//!
//! Invariant: whoever has elements in a queue is served once before anybody is served twice. A store never allocates after
//! it is made: a line exists only while it has an element, so there are as many lines as elements.

use crate::list::{Links, List};
use crate::storage::{self, AllocationRefused, Numbered};
use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

/// The elements of one account in one queue.
#[derive(Clone, Copy)]
struct Line {
    account: u32,
    elements: List,
}

/// The lines and links of all queues.
pub struct FairQueues {
    /// Elements, in their line.
    element_links: Links,
    /// Lines, in their queue or in the list of free ones.
    line_links: Links,
    /// Lines that were used at least once.
    lines: Vec<Line>,
    /// Those of them that are free.
    free_lines: List,
    /// The line of each element; [`NONE`] for one that is in none.
    line_of: Numbered<u32>,
}

/// One queue: its lines, the next to be served first.
#[derive(Clone, Copy, Debug)]
pub struct FairQueue {
    lines: List,
}

impl FairQueue {
    /// The queue without elements.
    pub const EMPTY: FairQueue = FairQueue { lines: List::EMPTY };

    /// True without elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl FairQueues {
    /// A store for the elements 0 to `capacity - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<FairQueues, AllocationRefused> {
        let mut lines = Vec::new();
        storage::reserve(&mut lines, capacity as usize)?;
        let line_of = Numbered::with_capacity(capacity, NONE)?;
        let (element_links, line_links) = (Links::with_capacity(capacity)?, Links::with_capacity(capacity)?);
        Ok(FairQueues { element_links, line_links, lines, free_lines: List::EMPTY, line_of })
    }

    /// Puts `element` behind the others of `account`; false if it is in a queue already or out of range. Takes a step for
    /// each account in the queue.
    pub fn push(&mut self, queue: &mut FairQueue, element: u32, account: u32) -> bool {
        if !self.line_of.reach(element) || self.line_of.get(element) != Some(&NONE) {
            return false;
        }
        let Some(line) = self.find(queue, account).or_else(|| self.open(queue, account)) else {
            return false;
        };
        let Some(place) = self.lines.get_mut(line as usize) else { return false };
        let pushed = self.element_links.push_back(&mut place.elements, element);
        if let Some(of) = self.line_of.get_mut(element).filter(|_| pushed) {
            *of = line;
        }
        pushed
    }

    /// The element that is served next.
    #[must_use]
    pub fn first(&self, queue: &FairQueue) -> Option<u32> {
        self.lines.get(queue.lines.first()? as usize)?.elements.first()
    }

    /// The oldest element of `account`. Takes a step for each account in the queue.
    #[must_use]
    pub fn first_of(&self, queue: &FairQueue, account: u32) -> Option<u32> {
        self.lines.get(self.find(queue, account)? as usize)?.elements.first()
    }

    /// Takes an element out because it was served: its account is behind the others now. False if it is in no queue.
    pub fn serve(&mut self, queue: &mut FairQueue, element: u32) -> bool {
        let line = self.line_of.get(element).copied().unwrap_or(NONE);
        let is_removed = self.remove(queue, element);
        if is_removed && self.lines.get(line as usize).is_some_and(|line| !line.elements.is_empty()) {
            self.line_links.remove(&mut queue.lines, line);
            self.line_links.push_back(&mut queue.lines, line);
        }
        is_removed
    }

    /// Takes an element out that was not served; `queue` is the one it is in. False if it is in no queue.
    pub fn remove(&mut self, queue: &mut FairQueue, element: u32) -> bool {
        let Some(of) = self.line_of.get_mut(element).filter(|of| **of != NONE) else { return false };
        let index = core::mem::replace(of, NONE);
        let Some(line) = self.lines.get_mut(index as usize) else { return false };
        let is_removed = self.element_links.remove(&mut line.elements, element);
        if line.elements.is_empty() {
            line.account = NONE;
            self.line_links.remove(&mut queue.lines, index);
            self.line_links.push_back(&mut self.free_lines, index);
        }
        is_removed
    }

    fn find(&self, queue: &FairQueue, account: u32) -> Option<u32> {
        let mut next = queue.lines.first();
        while let Some(line) = next {
            if self.lines.get(line as usize).is_some_and(|line| line.account == account) {
                return Some(line);
            }
            next = self.line_links.next(line);
        }
        None
    }

    fn open(&mut self, queue: &mut FairQueue, account: u32) -> Option<u32> {
        let line = Line { account, elements: List::EMPTY };
        let fresh = self.lines.len() as u32;
        let index = match self.line_links.pop_front(&mut self.free_lines) {
            Some(index) => {
                *self.lines.get_mut(index as usize)? = line;
                index
            }
            None if storage::push(&mut self.lines, line) => fresh,
            None => return None,
        };
        self.line_links.push_back(&mut queue.lines, index);
        Some(index)
    }
}

#[cfg(test)]
mod tests;
