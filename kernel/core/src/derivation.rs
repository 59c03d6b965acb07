//! The derivation tree: which capability came from which.
//!
//! Each capability has a node; a derived one and a copy in another process have a child of it, copies inside a process
//! share one. Nodes live in one array made at start-up. Nothing recurses: a node whose last holder is gone gives its
//! children to its parent in steps of [`Tree::step`]. Called by the kernel's capability operations.
//!
//! Invariant: a node that a capability names exists; parent, child and sibling links agree; whether a capability works is
//! one look at its own node, at any depth.

use crate::storage::{self, AllocationRefused};
use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

/// Names a node. Valid while a capability holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

/// Bytes of memory that a node takes: what the holder's process is charged.
pub const NODE_BYTES: u64 = size_of::<Node>() as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the list of free nodes.
    Free,
    /// Some capability holds it.
    Live,
    /// Nobody holds it; its children still have to move up.
    Leaving,
}

/// A power of two large: each call looks at one, and finds it without a multiplication.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Node {
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    /// Capabilities that share it; for a free or leaving node the next of that list.
    holders_or_next: u32,
    owner: u32,
    state: State,
}

/// What one step of the work behind a release did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// A child moved up to its grandparent.
    Moved,
    /// A node is free again; this owner's charge for it ends.
    Freed(u32),
}

/// All nodes of the machine.
pub struct Tree {
    /// The nodes that were used at least once.
    nodes: Vec<Node>,
    capacity: u32,
    first_free: u32,
    first_leaving: u32,
    used: u32,
}

impl Tree {
    /// A tree with room for `capacity` nodes.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32) -> Result<Tree, AllocationRefused> {
        let mut nodes = Vec::new();
        storage::reserve(&mut nodes, capacity as usize)?;
        Ok(Tree { nodes, capacity, first_free: NONE, first_leaving: NONE, used: 0 })
    }

    /// A node without a parent, held once, charged to `owner` (a number of the kernel's choice).
    pub fn root(&mut self, owner: u32) -> Option<NodeId> {
        let live = Node { holders_or_next: 1, owner, state: State::Live, ..Node::free(NONE) };
        let index = match self.nodes.get_mut(self.first_free as usize) {
            Some(node) => {
                let index = self.first_free;
                self.first_free = node.holders_or_next;
                *node = live;
                index
            }
            None => {
                let index = self.nodes.len() as u32;
                let is_taken = index < self.capacity && storage::push(&mut self.nodes, live);
                is_taken.then_some(index)?
            }
        };
        self.used += 1;
        Some(NodeId(index))
    }

    /// A child of `parent`, held once, charged to `owner`. `None` if no node is free or the parent is not live.
    pub fn derive(&mut self, parent: NodeId, owner: u32) -> Option<NodeId> {
        if !self.is_live(parent) {
            return None;
        }
        let child = self.root(owner)?;
        self.attach(child.0, parent.0);
        Some(child)
    }

    /// Nodes that [`Tree::root`] and [`Tree::derive`] can still give.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.capacity - self.used
    }

    /// True while a capability with this node works.
    #[must_use]
    pub fn is_live(&self, node: NodeId) -> bool {
        self.nodes.get(node.0 as usize).is_some_and(|node| node.state == State::Live)
    }

    /// One more capability of the same process shares the node.
    pub fn share(&mut self, node: NodeId) {
        if let Some(node) = self.live_mut(node) {
            node.holders_or_next += 1;
        }
    }

    /// One capability with this node is gone. Behind the last one the children move up, in steps of [`Tree::step`].
    pub fn release(&mut self, node: NodeId) {
        let leaving = self.first_leaving;
        let Some(entry) = self.live_mut(node) else { return };
        entry.holders_or_next -= 1;
        if entry.holders_or_next == 0 {
            entry.state = State::Leaving;
            entry.holders_or_next = leaving;
            self.first_leaving = node.0;
        }
    }

    /// The parent, if there is one.
    #[must_use]
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        let parent = self.nodes.get(node.0 as usize)?.parent;
        if parent == NONE { None } else { Some(NodeId(parent)) }
    }

    /// The number of nodes that are not free.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }

    /// True if [`Tree::step`] has something to do.
    #[must_use]
    pub const fn has_leaving(&self) -> bool {
        self.first_leaving != NONE
    }

    /// Does one constant piece of the work that releases left.
    pub fn step(&mut self) -> Step {
        let leaving = self.first_leaving;
        let Some(node) = self.nodes.get(leaving as usize).copied() else { return Step::Idle };
        if node.first_child != NONE {
            let child = node.first_child;
            self.detach(child);
            self.attach(child, node.parent);
            return Step::Moved;
        }
        self.detach(leaving);
        self.first_leaving = node.holders_or_next;
        let next_free = self.first_free;
        if let Some(entry) = self.nodes.get_mut(leaving as usize) {
            *entry = Node::free(next_free);
        }
        self.first_free = leaving;
        self.used -= 1;
        Step::Freed(node.owner)
    }

    fn live_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(node.0 as usize).filter(|node| node.state == State::Live)
    }

    fn attach(&mut self, child: u32, parent: u32) {
        let Some(first) = self.nodes.get(parent as usize).map(|node| node.first_child) else { return };
        self.update(first, |node| node.previous_sibling = child);
        self.update(parent, |node| node.first_child = child);
        self.update(child, |node| {
            node.parent = parent;
            node.next_sibling = first;
            node.previous_sibling = NONE;
        });
    }

    fn detach(&mut self, child: u32) {
        let Some(node) = self.nodes.get(child as usize).copied() else { return };
        if node.previous_sibling == NONE {
            self.update(node.parent, |parent| parent.first_child = node.next_sibling);
        } else {
            self.update(node.previous_sibling, |sibling| sibling.next_sibling = node.next_sibling);
        }
        self.update(node.next_sibling, |sibling| sibling.previous_sibling = node.previous_sibling);
        self.update(child, |node| {
            node.parent = NONE;
            node.next_sibling = NONE;
            node.previous_sibling = NONE;
        });
    }

    fn update(&mut self, index: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(index as usize) {
            change(node);
        }
    }
}

impl Node {
    const fn free(next: u32) -> Node {
        Node {
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            holders_or_next: next,
            owner: 0,
            state: State::Free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(tree: &mut Tree) -> Vec<u32> {
        let mut owners = Vec::new();
        loop {
            match tree.step() {
                Step::Idle => return owners,
                Step::Moved => {}
                Step::Freed(owner) => owners.push(owner),
            }
        }
    }

    #[test]
    fn children_of_a_released_node_move_up() {
        let mut tree = Tree::with_capacity(8).unwrap();
        let root = tree.root(1).unwrap();
        let middle = tree.derive(root, 2).unwrap();
        let leaves = [3, 4, 5].map(|owner| tree.derive(middle, owner).unwrap());
        assert!(!tree.has_leaving());
        tree.release(middle);
        assert!(!tree.is_live(middle) && tree.has_leaving());
        assert_eq!(tree.derive(middle, 9), None);
        assert_eq!(settle(&mut tree), [2]);
        for leaf in leaves {
            assert!(tree.is_live(leaf));
            assert_eq!(tree.parent(leaf), Some(root));
        }
        tree.release(root);
        assert_eq!(settle(&mut tree), [1]);
        assert_eq!(tree.parent(leaves[0]), None);
        assert_eq!(tree.used(), 3);
    }

    #[test]
    fn shared_nodes_stay_until_the_last_holder() {
        let mut tree = Tree::with_capacity(1).unwrap();
        let node = tree.root(1).unwrap();
        assert_eq!(tree.available(), 0);
        tree.share(node);
        tree.release(node);
        assert!(tree.is_live(node));
        assert_eq!(tree.step(), Step::Idle);
        tree.release(node);
        assert_eq!(settle(&mut tree), [1]);
        assert_eq!(tree.available(), 1);
        tree.release(node);
        assert_eq!(tree.step(), Step::Idle);
    }

    #[test]
    fn a_long_chain_and_a_wide_fan_empty_in_steps() {
        let mut tree = Tree::with_capacity(1000).unwrap();
        let root = tree.root(0).unwrap();
        let mut chain = std::vec![root];
        for owner in 1..500 {
            chain.push(tree.derive(*chain.last().unwrap(), owner).unwrap());
        }
        while let Some(node) = tree.derive(root, 9) {
            chain.push(node);
        }
        for node in &chain {
            tree.release(*node);
        }
        assert_eq!(settle(&mut tree).len(), 1000);
        assert_eq!(tree.used(), 0);
    }

    #[test]
    fn a_leaving_child_of_a_leaving_parent_is_freed_once() {
        let mut tree = Tree::with_capacity(4).unwrap();
        let root = tree.root(1).unwrap();
        let child = tree.derive(root, 2).unwrap();
        let grandchild = tree.derive(child, 3).unwrap();
        tree.release(child);
        tree.release(root);
        assert_eq!(settle(&mut tree).len(), 2);
        assert!(tree.is_live(grandchild));
        assert_eq!(tree.parent(grandchild), None);
    }
}
