//! The derivation tree: which capability came from which, and the end of all that came from one.
//!
//! Each capability has a node; a derived one and a copy in another process have a child of it, copies inside a process
//! share one. What is in flight or mapped through a capability is a use of its node ([`uses`]). A revocation kills every
//! descendant of a node, in steps ([`revocation`]); a node whose last capability and use are gone gives its children to
//! its parent, in steps of [`Tree::step`]. Nothing recurses. Called by the kernel's capability operations.
//!
//! Invariant: a node that a capability, a use or a revocation names exists; parent, child and sibling links agree; whether
//! a capability works is one look at its own node, at any depth. A dead node has children only while a revocation above it
//! is in progress.

mod revocation;
#[cfg(test)]
mod tests;
mod uses;

use crate::storage::{self, AllocationRefused, push};
use alloc::vec::Vec;
use capos_abi::error::Transport;
use uses::Use;

pub use uses::USE_BYTES;

const NONE: u32 = u32::MAX;
/// The owner of a node that only uses hold: they were charged for it themselves.
const NOBODY: u32 = u32::MAX;

/// Names a node. Valid while a capability, a use or a revocation holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

/// Bytes of memory that a node takes: what the holder's process is charged.
pub const NODE_BYTES: u64 = size_of::<Node>() as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the list of free nodes.
    Free,
    /// It works.
    Live,
    /// Revoked; something still holds it.
    Dead,
    /// Nothing holds it; its children still have to move up.
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
    /// Of the list of what is in flight or mapped through it.
    first_use: u32,
    owner: u32,
    state: State,
    /// Revocations in progress of what is below it.
    revocations: u8,
}

/// Why a node gets no child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeriveError {
    /// No node is free.
    Full,
    /// The node is dead.
    Dead,
    /// Its descendants are being revoked.
    Revoking,
}

impl From<DeriveError> for Transport {
    fn from(error: DeriveError) -> Transport {
        match error {
            DeriveError::Full => Transport::OutOfMemory,
            DeriveError::Dead => Transport::Revoked,
            DeriveError::Revoking => Transport::Revoking,
        }
    }
}

/// What one step of the work behind a release or a revocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// One node died, moved up or was taken out of its place.
    Moved,
    /// A node is free again; this owner's charge for it ends, if it was anybody's.
    Freed(Option<u32>),
    /// The use with this number is over: its node has died.
    Cut(u32),
    /// The revocation with this number is complete.
    Revoked(u32),
}

/// All nodes of the machine.
pub struct Tree {
    /// The nodes that were used at least once.
    nodes: Vec<Node>,
    capacity: u32,
    first_free: u32,
    first_leaving: u32,
    used: u32,
    /// Up to the highest number that was ever in use.
    uses: Vec<Use>,
    use_capacity: u32,
    /// The revocation that was begun last, of those in progress.
    newest: u32,
    /// Steps that revocations are owed by those who made more work for them.
    owed: u32,
    /// How often somebody has made work for [`Tree::step`], or for a revocation.
    additions: u64,
}

impl Tree {
    /// A tree with room for `capacity` nodes, and for uses and revocations with the numbers 0 to `uses - 1`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(capacity: u32, uses: u32) -> Result<Tree, AllocationRefused> {
        let mut nodes = Vec::new();
        storage::reserve(&mut nodes, capacity as usize)?;
        let mut places = Vec::new();
        storage::reserve(&mut places, uses as usize)?;
        Ok(Tree {
            nodes,
            capacity,
            first_free: NONE,
            first_leaving: NONE,
            used: 0,
            uses: places,
            use_capacity: uses,
            newest: NONE,
            owed: 0,
            additions: 0,
        })
    }

    /// A node without a parent, held once, charged to `owner`, a number of the kernel's choice.
    ///
    /// # Errors
    /// [`DeriveError::Full`].
    pub fn root(&mut self, owner: u32) -> Result<NodeId, DeriveError> {
        let fresh = Node { holders_or_next: 1, owner, state: State::Live, ..Node::free(NONE) };
        let mut index = self.first_free;
        if let Some(node) = self.nodes.get_mut(index as usize) {
            self.first_free = node.holders_or_next;
            *node = fresh;
        } else if self.used < self.capacity && push(&mut self.nodes, fresh) {
            index = self.nodes.len() as u32 - 1;
        } else {
            return Err(DeriveError::Full);
        }
        self.used += 1;
        Ok(NodeId(index))
    }

    /// A child of `parent`, held once, charged to `owner`. While a revocation is in progress it is owed the steps that the
    /// child may cost it: however fast others derive, it ends.
    ///
    /// # Errors
    /// [`DeriveError`].
    pub fn derive(&mut self, parent: NodeId, owner: u32) -> Result<NodeId, DeriveError> {
        self.can_derive(parent)?;
        let child = self.root(owner)?;
        self.attach(child.0, parent.0);
        self.owe(revocation::STEPS_PER_NODE);
        Ok(child)
    }

    /// Whether `parent` may have another child, room apart.
    ///
    /// # Errors
    /// [`DeriveError::Dead`], [`DeriveError::Revoking`].
    pub fn can_derive(&self, parent: NodeId) -> Result<(), DeriveError> {
        match self.nodes.get(parent.0 as usize) {
            Some(Node { state: State::Live, revocations: 0, .. }) => Ok(()),
            Some(Node { state: State::Live, .. }) => Err(DeriveError::Revoking),
            _ => Err(DeriveError::Dead),
        }
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
        if let Some(node) = self.held_mut(node) {
            node.holders_or_next += 1;
        }
    }

    /// One capability with this node is gone. Behind the last one the children move up, in steps of [`Tree::step`]; if uses
    /// are left the node stays, and this returns the owner whose charge for it ends.
    #[must_use]
    pub fn release(&mut self, id: NodeId) -> Option<u32> {
        let node = self.held_mut(id)?;
        node.holders_or_next = node.holders_or_next.checked_sub(1)?;
        if node.holders_or_next > 0 {
            return None;
        }
        if node.first_use == NONE && node.revocations == 0 {
            self.leave(id.0);
            return None;
        }
        Some(core::mem::replace(&mut node.owner, NOBODY))
    }

    /// A capability with this node moves to another process: the node with its charge, or, if other capabilities share it,
    /// a child of it. Returns the node that the capability has there.
    ///
    /// # Errors
    /// [`DeriveError`]; nothing has changed.
    pub fn hand_over(&mut self, id: NodeId, owner: u32) -> Result<NodeId, DeriveError> {
        let node = self.held_mut(id).filter(|node| node.state == State::Live).ok_or(DeriveError::Dead)?;
        if node.holders_or_next == 1 {
            node.owner = owner;
            return Ok(id);
        }
        let child = self.derive(id, owner)?;
        // Not the last one, so nobody's charge ends.
        let _ = self.release(id);
        Ok(child)
    }

    /// Whether [`Tree::hand_over`] would be refused, room apart.
    ///
    /// # Errors
    /// [`DeriveError::Dead`], [`DeriveError::Revoking`].
    pub fn can_hand_over(&self, node: NodeId) -> Result<(), DeriveError> {
        match self.nodes.get(node.0 as usize) {
            Some(Node { state: State::Live, holders_or_next: 1, .. }) => Ok(()),
            _ => self.can_derive(node),
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

    /// How often somebody has made work for [`Tree::step`] or for a revocation in progress: whoever changes it may have to
    /// wait for that work.
    #[must_use]
    pub const fn additions(&self) -> u64 {
        self.additions
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
        self.update(leaving, |entry| *entry = Node::free(next_free));
        self.first_free = leaving;
        self.used -= 1;
        Step::Freed(if node.owner == NOBODY { None } else { Some(node.owner) })
    }

    /// A node that something holds.
    fn held_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        let node = self.nodes.get_mut(id.0 as usize);
        node.filter(|node| matches!(node.state, State::Live | State::Dead))
    }

    /// Nothing holds the node any more.
    fn leave(&mut self, index: u32) {
        let next = self.first_leaving;
        self.update(index, |node| {
            node.state = State::Leaving;
            node.holders_or_next = next;
        });
        self.first_leaving = index;
        self.additions += 1;
    }

    /// Lets the node leave if it was the last use or revocation that held it.
    fn leave_if_unheld(&mut self, index: u32) {
        let is_unheld = self
            .held_mut(NodeId(index))
            .is_some_and(|node| node.holders_or_next == 0 && node.first_use == NONE && node.revocations == 0);
        if is_unheld {
            self.leave(index);
        }
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
            first_use: NONE,
            owner: NOBODY,
            state: State::Free,
            revocations: 0,
        }
    }
}
