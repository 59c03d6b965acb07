//! Order: who needs whom, so that givers come first; a cycle has no beginning and is refused.
//!
//! Called by `resolve` after the names. A process needs those that it names in `after`, those that offer it something, and
//! those that offer it a directory.
//!
//! Invariant: in the order that comes out each process stands behind all that it needs; otherwise the order is that of
//! the file.

use super::{At, Resolver};
use crate::document::Process;

/// One process needs another, and the file says so here.
struct Need {
    needer: usize,
    needed: usize,
    at: At,
}

impl Resolver<'_> {
    /// The processes in the order of their start; none if there is a cycle, which is then refused.
    pub(super) fn order(&mut self) -> Option<Vec<usize>> {
        let needs = self.needs();
        let count = self.document.processes.len();
        let mut order: Vec<usize> = Vec::with_capacity(count);
        let mut is_placed = vec![false; count];
        while order.len() < count {
            let is_ready = |candidate: &usize| {
                needs.iter().all(|need| need.needer != *candidate || is_placed[need.needed])
            };
            let Some(next) = (0..count).filter(|index| !is_placed[*index]).find(is_ready) else {
                self.refuse_cycle(&needs, &is_placed);
                return None;
            };
            is_placed[next] = true;
            order.push(next);
        }
        Some(order)
    }

    fn needs(&self) -> Vec<Need> {
        let document = self.document;
        let names = self.process_names();
        let index_of = |name: &str| names.iter().position(|other| *other == name);
        let mut needs = Vec::new();
        let mut add = |needer: usize, name: &str, at: At| {
            needs.extend(index_of(name).map(|needed| Need { needer, needed, at }));
        };
        for (index, process) in document.processes.iter().enumerate() {
            let at = At::root().field("processes").index(index);
            for (place, name) in process.after().iter().enumerate() {
                add(index, name, at.field("after").index(place));
            }
            if let Process::Instance(instance) = process {
                for (place, preopen) in instance.caps.preopens.iter().enumerate() {
                    add(index, &preopen.from, at.field("caps").field("preopens").index(place).field("from"));
                }
            }
        }
        for (index, offer) in document.offers.iter().enumerate() {
            if let Some(needer) = index_of(&offer.to) {
                add(needer, &offer.from, At::root().field("offers").index(index).field("from"));
            }
        }
        needs
    }

    /// Names one cycle among the processes that could not be placed.
    fn refuse_cycle(&mut self, needs: &[Need], is_placed: &[bool]) {
        let names = self.process_names();
        let mut way: Vec<&Need> = Vec::new();
        let mut current = is_placed.iter().position(|placed| !placed).unwrap_or_default();
        // Each process that is left needs another one that is left, so the way comes back to itself.
        while let Some(need) = needs.iter().find(|need| need.needer == current && !is_placed[need.needed]) {
            if let Some(start) = way.iter().position(|earlier| earlier.needer == current) {
                way.drain(..start);
                break;
            }
            way.push(need);
            current = need.needed;
        }
        let Some(last) = way.last() else { return };
        let chain: Vec<String> =
            way.iter().map(|need| format!("\"{}\" needs ", names[need.needer])).collect();
        let message = format!("cycle: {}\"{}\"", chain.concat(), names[way[0].needer]);
        let at = last.at.clone();
        self.refuse(&at, message, "offers and \"after\" that lead from the kernel outward");
    }
}
