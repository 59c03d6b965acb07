//! The drivers of a system: those that it names, or those that it needs.
//!
//! Called by `resolve` when the other processes are known; calls the table of `drivers`.
//!
//! Invariant: the console's driver comes with every system in which no other process drives it. A driver comes once, under its own name. It stands behind the processes of the manifest; init starts it first.

use super::{At, Resolver, listed};
use crate::drivers::{DRIVERS, Driver};
use crate::sources::Device;
use crate::system::{Process, Source};

impl Resolver<'_> {
    /// The drivers' processes, for a system of these others.
    pub(super) fn drivers(&mut self, others: &[Process]) -> Vec<Process> {
        let document = self.document;
        let at = At::root().field("drivers");
        let mut found: Vec<&'static Driver> = Vec::new();
        match &document.drivers {
            None => found.extend(DRIVERS.iter().filter(|driver| driver.is_needed(others))),
            Some(names) => {
                for (index, name) in names.iter().enumerate() {
                    let at = at.index(index);
                    match Driver::find(name) {
                        None => {
                            let names = listed(DRIVERS.iter().map(|driver| driver.name));
                            self.refuse(&at, format!("no driver \"{name}\""), names);
                        }
                        Some(driver) if found.iter().any(|other| other.name == driver.name) => {
                            self.refuse(&at, format!("\"{name}\" twice"), "each driver once");
                        }
                        Some(driver) => found.push(driver),
                    }
                }
            }
        }
        // What a system cannot go without comes first, and whatever it names.
        for driver in DRIVERS.iter().filter(|driver| driver.is_indispensable() && driver.is_needed(others)) {
            if !found.iter().any(|other| other.name == driver.name) {
                found.insert(0, driver);
            }
        }
        let mut processes = Vec::new();
        for driver in found {
            if let Some(index) = document.processes.iter().position(|process| process.name() == driver.name) {
                let at = At::root().field("processes").index(index).field("name");
                let message = format!("the name \"{}\" is that of a driver of this system", driver.name);
                self.refuse(&at, message, "another name, or \"drivers\" without it");
            }
            processes.extend(self.built_in(driver.name, &at).map(|part| driver.process(part.name)));
        }
        let mut sources = others.iter().flat_map(|process| &process.grants).map(|grant| &grant.source);
        let is_used = sources.any(|source| matches!(source, Source::ConsoleOutput | Source::ConsoleError));
        let is_driven = |process: &Process| process.drives(Device::Console);
        if is_used && others.iter().any(is_driven) && !others.iter().any(Process::serves_console) {
            let message = "the process that drives virtio-console does not serve the console of the others";
            self.refuse(
                &At::root().field("processes"),
                message,
                "serves: {console: \"Console\"} in that process",
            );
        }
        processes
    }
}
