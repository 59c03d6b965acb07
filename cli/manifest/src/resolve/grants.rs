//! Grants out of offers: who hands what on to whom, and with which methods.
//!
//! Called by `resolve` once for the document's offers and then by `instance` and `native` for each process, givers first.
//!
//! Invariant: a grant is what its giver holds, with a subset of its methods; one offer serves one use.

use std::collections::HashMap;

use super::names::KERNEL;
use super::{At, Resolver, listed};
use crate::document::{Native, Offer, Offered, Process};
use crate::sources::{Held, is_personal, kernel_offers, method_names, offered};
use crate::system::{Grant, Source};

impl Resolver<'_> {
    /// Checks what can be said of an offer without looking at what its giver holds.
    pub(super) fn check_offers(&mut self) {
        let document = self.document;
        let mut first: HashMap<(&str, &str), usize> = HashMap::new();
        for (index, offer) in document.offers.iter().enumerate() {
            let at = At::root().field("offers").index(index);
            if offer.from != KERNEL && !self.process_names().contains(&offer.from.as_str()) {
                let mut names = vec![KERNEL];
                names.extend(self.process_names());
                self.refuse(&at.field("from"), format!("no process \"{}\"", offer.from), listed(names));
            }
            if self.check_process_exists(&offer.to, &at.field("to")) {
                self.check_offer_is_used(offer, &at);
            }
            if let Some(earlier) = first.get(&(offer.to.as_str(), offer.name())) {
                let message = format!(
                    "\"{}\" is offered twice to \"{}\": first in offers[{earlier}]",
                    offer.name(),
                    offer.to
                );
                self.refuse(&at, message, "one offer for each name");
            }
            first.entry((&offer.to, offer.name())).or_insert(index);
        }
    }

    fn check_offer_is_used(&mut self, offer: &Offer, at: &At) {
        let name_at = if offer.name.is_some() { at.field("as") } else { at.field("cap") };
        match self.document.processes.iter().find(|process| process.name() == offer.to) {
            Some(Process::Instance(_)) => {
                let message = format!("\"{}\" is a WASI instance: \"caps\" says what it holds", offer.to);
                self.refuse(&at.field("to"), message, "a native process");
            }
            Some(Process::Native(native)) if native.uses.get(offer.name()).is_none() => {
                let message = format!("process \"{}\" does not use \"{}\"", offer.to, offer.name());
                let used = listed(native.uses.0.iter().map(|(name, _)| name));
                self.refuse(&name_at, message, format!("{used}, or \"{}\" among its uses", offer.name()));
            }
            _ => {}
        }
    }

    /// The grants of a native process: one offer for each of its uses.
    pub(super) fn native_grants(&mut self, native: &Native, at: &At) -> Vec<(String, Held)> {
        let document = self.document;
        let mut granted = Vec::new();
        for (name, interface_name) in &native.uses.0 {
            let at = at.field("uses").field(name);
            self.check_capability_name(name, &at);
            if self.interface(interface_name, &at).is_none() {
                continue;
            }
            let mut offers = document.offers.iter().enumerate();
            let Some((index, offer)) = offers.find(|(_, it)| it.to == native.name && it.name() == name)
            else {
                let message = format!("nobody offers \"{name}\" to \"{}\"", native.name);
                self.refuse(
                    &at,
                    message,
                    format!("an offer {{cap, from, to: \"{}\", methods}}", native.name),
                );
                continue;
            };
            let offer_at = At::root().field("offers").index(index);
            let Some(held) = self.handed_on(offer, &offer_at) else { continue };
            if held.interface.name != interface_name {
                let message =
                    format!("\"{name}\" is offered as {}, not as {interface_name}", held.interface.name);
                self.refuse(&at, message, held.interface.name);
            } else {
                granted.push((name.clone(), held));
            }
        }
        granted
    }

    /// What an offer gives, if its giver has that.
    fn handed_on(&mut self, offer: &Offer, at: &At) -> Option<Held> {
        let held = self.held_by(&offer.from, &offer.cap, &at.field("cap"))?;
        if offer.from != KERNEL && is_personal(&held.source) {
            let message = format!("\"{}\" belongs to \"{}\" alone", offer.cap, offer.from);
            self.refuse(&at.field("cap"), message, "the kernel's own, with from: \"kernel\"");
            return None;
        }
        let methods = match &offer.methods {
            Offered::All(_) => held.methods,
            Offered::Named(names) => self.methods(&held, names, &offer.from, &at.field("methods"))?,
        };
        Some(Held { methods, ..held })
    }

    /// What a giver holds under a name. Nothing is refused for a giver that does not exist: that was told before.
    pub(super) fn held_by(&mut self, giver: &str, name: &str, at: &At) -> Option<Held> {
        if giver == KERNEL {
            let part = self.files.get(name).map(|part| offered(&Source::Part(part.clone())));
            let held =
                part.or_else(|| kernel_offers().find(|(other, _)| *other == name).map(|(_, held)| held));
            // A part whose file is missing was refused already.
            if held.is_none() && self.document.parts.get(name).is_none() {
                let names = kernel_offers().map(|(name, _)| name);
                let parts = self.document.parts.0.iter().map(|(name, _)| name.as_str());
                let accepted = listed(names.chain(parts));
                self.refuse(at, format!("the kernel does not offer \"{name}\""), accepted);
            }
            return held;
        }
        let holdings = self.held.get(giver)?;
        let held = holdings.iter().find(|(other, _)| other == name).map(|(_, held)| held.clone());
        if held.is_none() {
            let accepted = listed(holdings.iter().map(|(name, _)| name));
            self.refuse(at, format!("process \"{giver}\" does not hold \"{name}\""), accepted);
        }
        held
    }

    /// The mask of the named methods, each of which the interface has and the giver holds.
    pub(super) fn methods(&mut self, held: &Held, names: &[String], giver: &str, at: &At) -> Option<u64> {
        let accepted = listed(method_names(held.interface, held.methods));
        if names.is_empty() {
            self.refuse(at, "no method", accepted);
            return None;
        }
        let mut mask = 0;
        let before = self.refusals.len();
        for (index, name) in names.iter().enumerate() {
            match held.interface.method(name) {
                Some(method) if method.mask() & held.methods == 0 => {
                    let giver = if giver == KERNEL {
                        "the kernel".to_owned()
                    } else {
                        format!("process \"{giver}\"")
                    };
                    let message = format!("{giver} does not offer {}.{name} here", held.interface.name);
                    self.refuse(&at.index(index), message, accepted.clone());
                }
                Some(method) => mask |= method.mask(),
                None => {
                    let message = format!("{} has no method \"{name}\"", held.interface.name);
                    self.refuse(&at.index(index), message, accepted.clone());
                }
            }
        }
        (self.refusals.len() == before).then_some(mask)
    }
}

/// Holdings as grants.
pub(super) fn grants(held: &[(String, Held)]) -> Vec<Grant> {
    held.iter()
        .map(|(name, held)| Grant { name: name.clone(), source: held.source.clone(), methods: held.methods })
        .collect()
}
