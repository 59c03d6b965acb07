//! Lists over indices: queues whose links lie in one array.
//!
//! An element is an index, usually of a pool entry; it is in at most one list of an array of links. Joining, leaving from
//! the middle and taking the first are a constant number of steps and never allocate. Called by the run queue and by the
//! kernel for operations, waiters and ending processes.
//!
//! Invariant: an element that is linked is in exactly the list it joined; joining twice and leaving without having
//! joined are refused, not undefined.

use crate::storage::{AllocationRefused, Numbered};

/// No element: the end of a list.
const NONE: u32 = u32::MAX - 1;

#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

/// What an element in no list has: the same in every bit, so that many are made quickly.
const UNLINKED: Link = Link { previous: u32::MAX, next: u32::MAX };

impl Link {
    #[inline]
    const fn is_linked(self) -> bool {
        self.next != UNLINKED.next
    }
}

/// The links of all elements that may be in one of a family of lists.
pub struct Links {
    links: Numbered<Link>,
}

/// One list: first, last and length.
#[derive(Clone, Copy, Debug)]
pub struct List {
    first: u32,
    last: u32,
    length: u32,
}

impl List {
    /// The list without elements.
    pub const EMPTY: List = List { first: NONE, last: NONE, length: 0 };

    /// The first element.
    #[must_use]
    pub const fn first(&self) -> Option<u32> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    /// The number of elements.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// True without elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl Links {
    /// Links for the elements 0 to `capacity - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<Links, AllocationRefused> {
        Ok(Links { links: Numbered::with_capacity(capacity, UNLINKED)? })
    }

    /// True while `element` is in a list.
    #[must_use]
    pub fn is_linked(&self, element: u32) -> bool {
        self.links.get(element).is_some_and(|link| link.is_linked())
    }

    /// Appends `element`; false if it is in a list already or out of range.
    pub fn push_back(&mut self, list: &mut List, element: u32) -> bool {
        let last = list.last;
        if !self.links.reach(element) {
            return false;
        }
        match self.links.get_mut(element) {
            Some(link) if !link.is_linked() => *link = Link { previous: last, next: NONE },
            _ => return false,
        }
        match self.links.get_mut(last) {
            Some(link) => link.next = element,
            None => list.first = element,
        }
        list.last = element;
        list.length += 1;
        true
    }

    /// Puts `element` before the others; false if it is in a list already or out of range.
    pub fn push_front(&mut self, list: &mut List, element: u32) -> bool {
        let first = list.first;
        let mut alone = List::EMPTY;
        if !self.push_back(&mut alone, element) {
            return false;
        }
        if let Some(link) = self.links.get_mut(element) {
            link.next = first;
        }
        match self.links.get_mut(first) {
            Some(link) => link.previous = element,
            None => list.last = element,
        }
        list.first = element;
        list.length += 1;
        true
    }

    /// Takes `element` out of `list`, which must be the one it is in; false if it is in none.
    pub fn remove(&mut self, list: &mut List, element: u32) -> bool {
        let Some(link) = self.links.get_mut(element) else { return false };
        if !link.is_linked() {
            return false;
        }
        let Link { previous, next } = core::mem::replace(link, UNLINKED);
        match self.links.get_mut(previous) {
            Some(link) => link.next = next,
            None => list.first = next,
        }
        match self.links.get_mut(next) {
            Some(link) => link.previous = previous,
            None => list.last = previous,
        }
        list.length -= 1;
        true
    }

    /// Takes the first element out.
    pub fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        let first = list.first()?;
        if self.remove(list, first) { Some(first) } else { None }
    }

    /// The element behind `element` in its list.
    #[must_use]
    pub fn next(&self, element: u32) -> Option<u32> {
        let next = self.links.get(element)?.next;
        if next >= NONE { None } else { Some(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn contents(links: &Links, list: &List) -> Vec<u32> {
        core::iter::successors(list.first(), |element| links.next(*element)).collect()
    }

    #[test]
    fn elements_leave_from_anywhere() {
        let mut links = Links::with_capacity(5).unwrap();
        let mut list = List::EMPTY;
        for element in [3, 1, 4, 0] {
            assert!(links.push_back(&mut list, element));
        }
        assert!(links.remove(&mut list, 4));
        assert_eq!(contents(&links, &list), [3, 1, 0]);
        assert!(links.remove(&mut list, 0) && links.remove(&mut list, 3));
        assert_eq!(contents(&links, &list), [1]);
        assert_eq!(links.pop_front(&mut list), Some(1));
        assert_eq!(links.pop_front(&mut list), None);
        assert!(list.is_empty() && list.length() == 0);
    }

    #[test]
    fn elements_can_go_before_the_others() {
        let mut links = Links::with_capacity(4).unwrap();
        let mut list = List::EMPTY;
        assert!(links.push_front(&mut list, 2));
        assert!(links.push_back(&mut list, 0));
        assert!(links.push_front(&mut list, 3));
        assert!(!links.push_front(&mut list, 2) && !links.push_front(&mut list, 4));
        assert_eq!((contents(&links, &list), list.length()), (vec![3, 2, 0], 3));
        assert!(links.remove(&mut list, 2) && links.remove(&mut list, 3));
        assert_eq!(contents(&links, &list), [0]);
        assert!(links.push_back(&mut list, 1));
        assert_eq!(contents(&links, &list), [0, 1]);
    }

    #[test]
    fn misuse_is_refused() {
        let mut links = Links::with_capacity(2).unwrap();
        let mut list = List::EMPTY;
        assert!(links.push_back(&mut list, 1));
        assert!(!links.push_back(&mut list, 1));
        assert!(!links.push_back(&mut list, 2));
        assert!(!links.remove(&mut list, 0));
        assert!(!links.remove(&mut list, 9));
        assert_eq!(contents(&links, &list), [1]);
    }
}
