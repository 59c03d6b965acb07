//! The kernel's own code and the model, side by side.
//!
//! Called by the test, step by step; calls `capos_kernel_core` and the model.
//!
//! Invariant: each operation is done by both, or refused to both.

use std::collections::BTreeMap;

use capos_abi::error::Transport;
use capos_abi::handle::Handle;
use capos_kernel_core::authority::{Authority, working};
use capos_kernel_core::capability::{Capability, Dismantled, SlotStore, Table};
use capos_kernel_core::derivation::{Step, Tree};

use super::model::{Model, Place, Random};

const PROCESSES: usize = 6;
/// Capabilities of a process that are aimed at.
const HELD: usize = 32;
const CHUNKS: u16 = 64;
const NODES: u32 = 2048;
/// Numbers of uses; those from [`USES`] on are revocations'.
const USES: u32 = 24;
const REVOCATIONS: u32 = 6;

pub(crate) struct System {
    random: Random,
    tables: [Table; PROCESSES],
    slots: SlotStore<u32>,
    nodes: Tree,
    /// Nodes that each process is charged for.
    charged: [i64; PROCESSES],
    model: Model,
    objects: u32,
    counts: BTreeMap<&'static str, u32>,
}

impl System {
    pub(crate) fn new(random: Random) -> System {
        System {
            random,
            tables: std::array::from_fn(|_| Table::new()),
            slots: SlotStore::with_chunks(CHUNKS).unwrap(),
            nodes: Tree::with_capacity(NODES, USES + REVOCATIONS).unwrap(),
            charged: [0; PROCESSES],
            model: Model::default(),
            objects: 0,
            counts: BTreeMap::new(),
        }
    }

    /// How often each thing happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u32> {
        self.counts.clone()
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// One thing that chance chooses.
    pub(crate) fn step(&mut self) {
        match self.random.below(100) {
            0..2 => self.make_root(),
            2..22 => self.derive(),
            22..34 => self.copy(),
            34..40 => self.duplicate(),
            40..50 => self.hand_over(),
            50..56 => self.mint(),
            56..70 => self.release(),
            70..74 => self.revoke(),
            74..80 => self.begin_use(),
            80..84 => self.end_use(),
            84..85 if self.random.below(8) == 0 => self.end_process(),
            85..92 => self.settle(),
            92 if self.random.below(4) == 0 => self.finish(),
            93..97 => (0..self.random.below(4)).for_each(|_| _ = self.revocation_step()),
            _ => self.pay(),
        }
    }

    fn process(&mut self) -> usize {
        self.random.below(PROCESSES)
    }

    /// A process with room, and a capability that another or the same one holds.
    fn target(&mut self) -> Option<(usize, Place)> {
        let to = self.process();
        let place = self.place()?;
        if self.tables[to].used() as usize >= HELD {
            return None;
        }
        while self.tables[to].available() == 0 {
            self.tables[to].grow(&mut self.slots).unwrap();
        }
        Some((to, place))
    }

    /// Any capability there is.
    fn place(&mut self) -> Option<Place> {
        let count = self.model.capabilities.len();
        let at = self.random.below(count.max(1));
        self.model.capabilities.keys().nth(at).copied()
    }

    /// What the kernel says of the capability; a death is taken note of.
    fn look(&mut self, place: Place) -> Result<Capability<u32>, Transport> {
        let found = working(&self.tables[place.0], &self.slots, &self.nodes, Handle(place.1));
        let known = self.model.capabilities[&place];
        match found {
            Ok(found) => {
                assert!(!self.model.nodes[&known.node].is_dead, "it came back to life");
                assert_eq!((found.object, found.methods), (known.object, known.methods));
            }
            Err(error) => {
                assert_eq!(error, Transport::Revoked);
                self.model.observe_dead(known.node);
            }
        }
        found
    }

    /// The refusal that a child of the capability must get, if any.
    fn refusal(&mut self, place: Place) -> Option<Transport> {
        let refusal = self.look(place).err();
        let node = &self.model.nodes[&self.model.capabilities[&place].node];
        let is_revoking = refusal.is_none() && !node.revocations.is_empty();
        refusal.or(is_revoking.then_some(Transport::Revoking))
    }

    fn made(&mut self, parent: Option<Place>, place: Place, object: u32, methods: u64) {
        self.charged[place.0] += 1;
        let parent = parent.map(|parent| self.model.capabilities[&parent].node);
        self.model.insert(parent, place, object, methods);
    }

    fn make_root(&mut self) {
        let to = self.process();
        if self.tables[to].used() as usize >= HELD {
            return;
        }
        while self.tables[to].available() == 0 {
            self.tables[to].grow(&mut self.slots).unwrap();
        }
        let (object, methods) = (self.objects, self.random.next());
        self.objects += 1;
        let node = self.nodes.root(to as u32).unwrap();
        let capability = Capability { object, interface: 1, methods, node };
        let handle = self.tables[to].insert(&mut self.slots, capability).unwrap();
        self.made(None, (to, handle.0), object, methods);
        self.count("roots");
    }

    fn derive(&mut self) {
        let Some((_, place)) = self.target() else { return };
        let known = self.model.capabilities[&place];
        let methods =
            if self.random.below(8) == 0 { self.random.next() } else { known.methods & self.random.next() };
        let refusal =
            self.look(place).err().or((methods & !known.methods != 0).then_some(Transport::MaskNotWithin));
        let refusal = refusal.or_else(|| self.refusal(place));
        while self.tables[place.0].available() == 0 {
            self.tables[place.0].grow(&mut self.slots).unwrap();
        }
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let done = authority.derive(&mut self.tables[place.0], place.0 as u32, Handle(place.1), methods);
        match (done, refusal) {
            (Ok((handle, derived)), None) => {
                assert_eq!((derived.object, derived.methods), (known.object, methods));
                self.made(Some(place), (place.0, handle.0), known.object, methods);
                self.count("derived");
            }
            (done, refusal) => self.refused(done.err(), refusal),
        }
    }

    fn refused(&mut self, found: Option<Transport>, expected: Option<Transport>) {
        assert_eq!(found, expected);
        match found {
            Some(Transport::Revoked) => self.count("refused as revoked"),
            Some(Transport::Revoking) => self.count("refused during a revocation"),
            Some(Transport::MaskNotWithin) => self.count("refused a larger mask"),
            other => panic!("{other:?}"),
        }
    }

    fn copy(&mut self) {
        let Some((to, place)) = self.target() else { return };
        let refusal = self.refusal(place);
        let Ok(source) = self.look(place) else { return self.refused(refusal, refusal) };
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        match (authority.insert_child(&mut self.tables[to], to as u32, source.node, source), refusal) {
            (Ok(handle), None) => {
                self.made(Some(place), (to, handle.0), source.object, source.methods);
                self.count("copied");
            }
            (done, refusal) => self.refused(done.err(), refusal),
        }
    }

    fn duplicate(&mut self) {
        let Some((_, place)) = self.target() else { return };
        let refusal = self.look(place).err();
        while self.tables[place.0].available() == 0 {
            self.tables[place.0].grow(&mut self.slots).unwrap();
        }
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        match (authority.duplicate(&mut self.tables[place.0], Handle(place.1)), refusal) {
            (Ok(handle), None) => {
                let known = self.model.capabilities[&place];
                self.model.put((place.0, handle.0), known);
                self.count("shared");
            }
            (done, refusal) => self.refused(done.err(), refusal),
        }
    }

    fn hand_over(&mut self) {
        let Some((to, place)) = self.target() else { return };
        if to == place.0 {
            return;
        }
        let known = self.model.capabilities[&place];
        let is_shared = self.model.nodes[&known.node].holders.len() > 1;
        let refusal = if is_shared { self.refusal(place) } else { self.look(place).err() };
        let [from, target] = self.tables.get_disjoint_mut([place.0, to]).unwrap();
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        match (authority.hand_over(from, Handle(place.1), target, to as u32), refusal) {
            (Ok((handle, _)), None) if is_shared => {
                self.made(Some(place), (to, handle.0), known.object, known.methods);
                self.model.remove(place);
                self.count("moved, shared");
            }
            (Ok((handle, _)), None) => {
                self.charged[place.0] -= 1;
                self.charged[to] += 1;
                self.model.put((to, handle.0), known);
                self.model.remove(place);
                self.model.nodes.get_mut(&known.node).unwrap().owner = to;
                self.count("moved");
            }
            (done, refusal) => self.refused(done.err(), refusal),
        }
    }

    /// Another object, under the capability through which a call came.
    fn mint(&mut self) {
        let Some((to, place)) = self.target() else { return };
        let refusal = self.refusal(place);
        let Ok(source) = self.look(place) else { return self.refused(refusal, refusal) };
        let (object, methods) = (self.objects, self.random.next());
        let minted = Capability { object, interface: 2, methods, ..source };
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        match (authority.insert_child(&mut self.tables[to], to as u32, source.node, minted), refusal) {
            (Ok(handle), None) => {
                self.objects += 1;
                self.made(Some(place), (to, handle.0), object, methods);
                self.count("minted");
            }
            (done, refusal) => self.refused(done.err(), refusal),
        }
    }

    fn release(&mut self) {
        let Some(place) = self.place() else { return };
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let (_, owner) = authority.release(&mut self.tables[place.0], Handle(place.1)).unwrap();
        self.end_charge(owner);
        self.model.remove(place);
        let gone = working(&self.tables[place.0], &self.slots, &self.nodes, Handle(place.1));
        assert_eq!(gone.unwrap_err(), Transport::BadHandle);
        self.count("released");
    }

    fn end_charge(&mut self, owner: Option<u32>) {
        if let Some(owner) = owner {
            self.charged[owner as usize] -= 1;
        }
    }

    fn revoke(&mut self) {
        let Some(place) = self.place() else { return };
        let used = |number| self.model.nodes.values().any(|node| node.revocations.contains(&number));
        let Some(number) = (USES..USES + REVOCATIONS).find(|number| !used(*number)) else { return };
        let Ok(root) = self.look(place) else { return };
        assert!(self.nodes.begin_revocation(root.node, number));
        let node = self.model.capabilities[&place].node;
        self.model.nodes.get_mut(&node).unwrap().revocations.insert(number);
        self.count("revocations");
    }

    fn begin_use(&mut self) {
        let number = self.random.below(USES as usize) as u32;
        let Some(place) = self.place() else { return };
        let is_free = self.model.node_of_use(number).is_none();
        let Ok(capability) = self.look(place) else { return };
        assert_eq!(self.nodes.attach_use(capability.node, number), is_free);
        if is_free {
            let node = self.model.capabilities[&place].node;
            self.model.nodes.get_mut(&node).unwrap().uses.insert(number);
            self.count("uses");
        }
    }

    fn end_use(&mut self) {
        let number = self.random.below(USES as usize) as u32;
        self.nodes.detach_use(number);
        if let Some(node) = self.model.node_of_use(number) {
            self.model.nodes.get_mut(&node).unwrap().uses.remove(&number);
            self.model.forget_unheld(node);
        }
    }

    fn end_process(&mut self) {
        let process = self.process();
        while let Some(step) = self.tables[process].dismantle(&mut self.slots) {
            if let Dismantled::Capability(capability) = step {
                let owner = self.nodes.release(capability.node);
                self.end_charge(owner);
                self.forget_one(process);
            }
            if self.random.below(4) == 0 {
                self.revocation_step();
            }
        }
        self.settle();
        assert_eq!(self.charged[process], 0, "it has ended and is still charged");
        self.count("ended");
    }

    /// The model's capability of `process` that its table has no more.
    fn forget_one(&mut self, process: usize) {
        let (table, slots) = (&self.tables[process], &self.slots);
        let is_gone = |place: &&Place| place.0 == process && table.get(slots, Handle(place.1)).is_err();
        let mut gone = self.model.capabilities.keys().filter(is_gone);
        let place = *gone.next().expect("a capability came out of the table");
        assert_eq!(gone.next(), None, "more than one went");
        self.model.remove(place);
    }

    /// All the work behind releases.
    fn settle(&mut self) {
        loop {
            match self.nodes.step() {
                Step::Idle => return,
                Step::Freed(owner) => self.end_charge(owner),
                _ => {}
            }
        }
    }

    /// One step of a revocation; false if there is none.
    fn revocation_step(&mut self) -> bool {
        match self.nodes.revocation_step() {
            Step::Idle => return false,
            Step::Cut(number) => {
                let node = self.model.node_of_use(number).expect("a use that is there");
                self.model.observe_dead(node);
                self.model.nodes.get_mut(&node).unwrap().uses.remove(&number);
                self.model.forget_unheld(node);
                self.count("cut");
            }
            Step::Revoked(number) => {
                self.model.complete(number);
                self.compare_dead();
                self.count("completed");
            }
            _ => {}
        }
        true
    }

    /// The steps that are owed: whoever derives brings the end nearer.
    fn pay(&mut self) {
        while self.random.below(16) != 0 && self.nodes.take_owed() {
            self.revocation_step();
        }
    }

    fn finish(&mut self) {
        while self.revocation_step() {}
    }

    /// Everything that the model calls dead does not work, and everything that nobody revoked does.
    fn compare_dead(&mut self) {
        let places: Vec<Place> = self.model.capabilities.keys().copied().collect();
        for place in places {
            let is_dead = self.model.nodes[&self.model.capabilities[&place].node].is_dead;
            assert!(!(self.look(place).is_ok() && is_dead), "a revoked capability works");
        }
    }

    /// Compares all that is held and charged.
    pub(crate) fn compare(&mut self) {
        self.compare_dead();
        self.settle();
        for process in 0..PROCESSES {
            let held = self.model.capabilities.keys().filter(|place| place.0 == process).count();
            assert_eq!(self.tables[process].used() as usize, held);
            assert_eq!(self.charged[process], self.model.charged(process) as i64);
        }
        assert_eq!(self.nodes.used() as usize, self.model.nodes.len());
        if !self.nodes.has_revocation() {
            assert!(self.model.nodes.values().all(|node| node.revocations.is_empty()));
        }
    }

    /// Ends everything; nothing is left.
    pub(crate) fn end(&mut self) {
        self.finish();
        self.compare();
        for number in 0..USES {
            self.nodes.detach_use(number);
        }
        for process in 0..PROCESSES {
            while let Some(step) = self.tables[process].dismantle(&mut self.slots) {
                if let Dismantled::Capability(capability) = step {
                    let owner = self.nodes.release(capability.node);
                    self.end_charge(owner);
                }
            }
        }
        self.settle();
        assert_eq!((self.nodes.used(), self.charged), (0, [0; PROCESSES]));
        assert_eq!(self.slots.free_chunks(), usize::from(CHUNKS));
    }
}
