//! Revocation: every descendant of a node dies, in steps.
//!
//! A step kills the first child of the node, ends one use of a dead child, or moves one child of a dead child up. So each
//! node dies as a child of the root of the revocation and costs a constant number of steps, whatever the shape was, and
//! the state of a revocation is the tree itself. Nodes that leave meanwhile move their children up inside the subtree.
//!
//! The one that was begun last goes first. Two revocations, one of them below the other, would else mislead each other: the
//! upper one takes the children of the lower one's root away, which must not count as complete before they are dead.
//!
//! Called by the kernel's scheduler: steps that are owed at once, the others between threads.
//!
//! Invariant: a revocation is complete when its root has no children and no later one is in progress; nothing that was a
//! descendant when it began, or came to be one later, is live then.

use super::uses::{REVOCATION, Use};
use super::{NONE, NodeId, State, Step, Tree};

/// Steps that a node without uses costs a revocation at most: it dies, and it moves up and out.
pub(super) const STEPS_PER_NODE: u32 = 3;

impl Tree {
    /// Begins to revoke all descendants of `root`, under `number`, which [`Step::Revoked`] tells at the end. `root` itself
    /// stays as it is, and derives nothing until then. False, with nothing changed, if the number is in use, the node is
    /// dead, or 255 revocations of it are in progress.
    pub fn begin_revocation(&mut self, root: NodeId, number: u32) -> bool {
        let is_free = self.is_use_free(number);
        let Some(node) = self.nodes.get_mut(root.0 as usize) else { return false };
        let Some(revocations) = node.revocations.checked_add(1) else { return false };
        if !is_free || node.state != State::Live {
            return false;
        }
        node.revocations = revocations;
        let before = core::mem::replace(&mut self.newest, number);
        self.update_use(number, |one| *one = Use { node: root.0, next: before, previous: REVOCATION });
        self.owe(STEPS_PER_NODE);
        true
    }

    /// True while a revocation is in progress.
    #[must_use]
    pub const fn has_revocation(&self) -> bool {
        self.newest != NONE
    }

    /// True, and one less, if a revocation in progress is owed a step.
    pub fn take_owed(&mut self) -> bool {
        let is_owed = self.is_owing();
        self.owed = if is_owed { self.owed - 1 } else { 0 };
        is_owed
    }

    /// True if a revocation in progress is owed a step.
    #[must_use]
    pub const fn is_owing(&self) -> bool {
        self.owed > 0 && self.has_revocation()
    }

    /// Every step of the revocations in progress is owed: somebody waits who must not.
    pub const fn owe_all(&mut self) {
        self.owed = u32::MAX;
    }

    pub(super) const fn owe(&mut self, steps: u32) {
        if self.has_revocation() {
            self.owed = self.owed.saturating_add(steps);
            self.additions += 1;
        }
    }

    /// Does one constant piece of the newest revocation.
    pub fn revocation_step(&mut self) -> Step {
        let number = self.newest;
        let Some(Use { node: root, next: before, .. }) = self.uses.get(number as usize).copied() else {
            return Step::Idle;
        };
        let child = self.nodes.get(root as usize).map_or(NONE, |root| root.first_child);
        if let Some(step) = self.kill(child, root) {
            return step;
        }
        self.newest = before;
        if before == NONE {
            self.owed = 0;
        }
        self.update_use(number, |one| *one = Use::NONE);
        self.update(root, |root| root.revocations -= 1);
        self.leave_if_unheld(root);
        Step::Revoked(number)
    }

    /// One piece of the end of `child`, the first child of `root`; none if there is none.
    fn kill(&mut self, child: u32, root: u32) -> Option<Step> {
        let node = *self.nodes.get(child as usize)?;
        let mut step = Step::Moved;
        if node.state == State::Live {
            self.update(child, |node| node.state = State::Dead);
        } else if node.first_use != NONE {
            step = Step::Cut(node.first_use);
            self.detach_use(node.first_use);
        } else if node.first_child != NONE {
            // In front of `child`: the tree is walked in depth, and what is dead comes last.
            self.detach(node.first_child);
            self.attach(node.first_child, root);
        }
        let is_empty = self
            .nodes
            .get(child as usize)
            .is_some_and(|node| node.first_child == NONE && node.first_use == NONE);
        if is_empty {
            self.detach(child);
        }
        Some(step)
    }
}
