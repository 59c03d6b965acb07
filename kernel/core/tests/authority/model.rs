//! The model: what must be so, said as simply as it can be.
//!
//! Called by `system` beside each operation of the kernel's own code. Slow by design.
//!
//! Invariant: a node that is dead stays dead; children of a node that nothing holds are its parent's.

use std::collections::{BTreeMap, BTreeSet};

/// SplitMix64: a seed repeats a run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Names a node of the model; never reused.
pub(crate) type Name = u64;

/// A place in a table: process and handle.
pub(crate) type Place = (usize, u32);

pub(crate) struct ModelNode {
    pub(crate) parent: Option<Name>,
    pub(crate) is_dead: bool,
    pub(crate) owner: usize,
    /// Capabilities that share it.
    pub(crate) holders: BTreeSet<Place>,
    /// What is in flight or mapped through it.
    pub(crate) uses: BTreeSet<u32>,
    /// Revocations in progress of what is below it.
    pub(crate) revocations: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModelCapability {
    pub(crate) node: Name,
    pub(crate) object: u32,
    pub(crate) methods: u64,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<Name, ModelNode>,
    pub(crate) capabilities: BTreeMap<Place, ModelCapability>,
    next: Name,
}

impl Model {
    /// A new node with one holder.
    pub(crate) fn insert(&mut self, parent: Option<Name>, place: Place, object: u32, methods: u64) {
        let node = self.next;
        self.next += 1;
        let holders = BTreeSet::from([place]);
        let (uses, revocations) = (BTreeSet::new(), BTreeSet::new());
        let made = ModelNode { parent, is_dead: false, owner: place.0, holders, uses, revocations };
        self.nodes.insert(node, made);
        self.put(place, ModelCapability { node, object, methods });
    }

    /// A capability at a place that was free.
    pub(crate) fn put(&mut self, place: Place, capability: ModelCapability) {
        self.nodes.get_mut(&capability.node).unwrap().holders.insert(place);
        assert_eq!(self.capabilities.insert(place, capability), None, "the place was taken");
    }

    /// The capability at a place goes.
    pub(crate) fn remove(&mut self, place: Place) -> ModelCapability {
        let capability = self.capabilities.remove(&place).unwrap();
        self.nodes.get_mut(&capability.node).unwrap().holders.remove(&place);
        self.forget_unheld(capability.node);
        capability
    }

    /// Children of a node that nothing holds move up.
    pub(crate) fn forget_unheld(&mut self, name: Name) {
        let node = &self.nodes[&name];
        if !(node.holders.is_empty() && node.uses.is_empty() && node.revocations.is_empty()) {
            return;
        }
        let parent = node.parent;
        self.nodes.remove(&name);
        for node in self.nodes.values_mut().filter(|node| node.parent == Some(name)) {
            node.parent = parent;
        }
    }

    /// True for a node below one whose descendants are being revoked: it may have died already.
    pub(crate) fn is_dying(&self, name: Name) -> bool {
        let mut above = self.nodes[&name].parent;
        while let Some(name) = above {
            let node = &self.nodes[&name];
            if !node.revocations.is_empty() {
                return true;
            }
            above = node.parent;
        }
        false
    }

    fn is_below(&self, name: Name, root: Name) -> bool {
        let mut above = self.nodes[&name].parent;
        while let Some(name) = above {
            if name == root {
                return true;
            }
            above = self.nodes[&name].parent;
        }
        false
    }

    /// What the kernel has found dead must have been dying.
    pub(crate) fn observe_dead(&mut self, name: Name) {
        assert!(self.nodes[&name].is_dead || self.is_dying(name), "it died, and nobody revoked it");
        self.nodes.get_mut(&name).unwrap().is_dead = true;
    }

    /// A revocation is complete: all below is dead, and nothing is in use through it.
    pub(crate) fn complete(&mut self, number: u32) {
        let root = *self.nodes.iter().find(|(_, node)| node.revocations.contains(&number)).unwrap().0;
        let below: Vec<Name> = self.nodes.keys().copied().filter(|name| self.is_below(*name, root)).collect();
        for name in below {
            let node = self.nodes.get_mut(&name).unwrap();
            assert!(node.uses.is_empty(), "something is still in use");
            (node.is_dead, node.parent) = (true, None);
        }
        self.nodes.get_mut(&root).unwrap().revocations.remove(&number);
        self.forget_unheld(root);
    }

    /// The node that this use is of.
    pub(crate) fn node_of_use(&self, number: u32) -> Option<Name> {
        self.nodes.iter().find(|(_, node)| node.uses.contains(&number)).map(|(name, _)| *name)
    }

    /// Nodes that `owner` is charged for: those that a capability holds.
    pub(crate) fn charged(&self, owner: usize) -> usize {
        self.nodes.values().filter(|node| node.owner == owner && !node.holders.is_empty()).count()
    }
}
