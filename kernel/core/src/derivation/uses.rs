//! Uses: what is in flight or mapped through a capability, and ends when its node dies.
//!
//! A use is a number of the kernel's choice: an operation, a wait, a mapping. It is in the list of its node, which it keeps
//! in its place even when the capability has been released: a mapping outlives the handle that made it, and a revocation
//! of what that came from still finds it. Called by the kernel when an operation parks and when a mapping is made.
//!
//! Invariant: a number is in one node's list or a revocation's, or in none. Joining and leaving are a constant number of
//! steps.

use super::{NONE, NodeId, State, Tree};
use crate::storage::push;

/// In place of a previous use: the number is a revocation's.
pub(super) const REVOCATION: u32 = u32::MAX - 1;

#[derive(Clone, Copy)]
pub(super) struct Use {
    /// The node; of a revocation the one whose descendants die.
    pub(super) node: u32,
    /// The next of the node's uses; of a revocation the one that was begun before.
    pub(super) next: u32,
    pub(super) previous: u32,
}

impl Use {
    pub(super) const NONE: Use = Use { node: NONE, next: NONE, previous: NONE };
}

/// Bytes of memory that a use takes, with the node that it may have to keep.
pub const USE_BYTES: u64 = size_of::<Use>() as u64 + super::NODE_BYTES;

impl Tree {
    /// Something begins to use `node` under `number`; false, with nothing changed, if the node is dead or the number is in
    /// use.
    pub fn attach_use(&mut self, node: NodeId, number: u32) -> bool {
        let is_free = self.is_use_free(number);
        let Some(entry) = self.nodes.get_mut(node.0 as usize) else { return false };
        if !is_free || entry.state != State::Live {
            return false;
        }
        let first = core::mem::replace(&mut entry.first_use, number);
        self.update_use(first, |one| one.previous = number);
        self.update_use(number, |one| *one = Use { node: node.0, next: first, previous: NONE });
        self.owe(1);
        true
    }

    /// The use with this number is over; no effect if there is none.
    pub fn detach_use(&mut self, number: u32) {
        let Some(one) = self.uses.get(number as usize).copied() else { return };
        if one.node == NONE || one.previous == REVOCATION {
            return;
        }
        if one.previous == NONE {
            self.update(one.node, |node| node.first_use = one.next);
        } else {
            self.update_use(one.previous, |previous| previous.next = one.next);
        }
        self.update_use(one.next, |next| next.previous = one.previous);
        self.update_use(number, |one| *one = Use::NONE);
        self.leave_if_unheld(one.node);
    }

    /// The use with this number, if there is one, becomes one of `node`; false if that is dead, and then it is over.
    #[cold]
    pub fn move_use(&mut self, number: u32, node: NodeId) -> bool {
        self.detach_use(number);
        self.attach_use(node, number)
    }

    /// The node of the use with this number, if there is one.
    #[must_use]
    pub fn used_node(&self, number: u32) -> Option<NodeId> {
        let one = self.uses.get(number as usize)?;
        if one.node == NONE || one.previous == REVOCATION { None } else { Some(NodeId(one.node)) }
    }

    /// True for a number that is not in use; it has its place then. Numbers are taken in ascending order, mostly, so this
    /// makes a few places at most.
    pub(super) fn is_use_free(&mut self, number: u32) -> bool {
        while number < self.use_capacity && self.uses.len() <= number as usize {
            if !push(&mut self.uses, Use::NONE) {
                return false;
            }
        }
        self.uses.get(number as usize).is_some_and(|one| one.node == NONE)
    }

    pub(super) fn update_use(&mut self, number: u32, change: impl FnOnce(&mut Use)) {
        if let Some(one) = self.uses.get_mut(number as usize) {
            change(one);
        }
    }
}
