//! The drivers of a system: those that it names, or those that it needs.
//!
//! Called by `resolve` when the other processes are known; calls the table of `drivers`.
//!
//! Invariant: a driver comes once, under its own name. It stands behind the processes of the manifest; init starts it first.

use super::{At, Resolver, listed};
use crate::drivers::{DRIVERS, Driver};
use crate::system::Process;

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
        let mut processes = Vec::new();
        for driver in found {
            if let Some(index) = document.processes.iter().position(|process| process.name() == driver.name) {
                let at = At::root().field("processes").index(index).field("name");
                let message = format!("the name \"{}\" is that of a driver of this system", driver.name);
                self.refuse(&at, message, "another name, or \"drivers\" without it");
            }
            processes.extend(self.built_in(driver.name, &at).map(|part| driver.process(part.name)));
        }
        processes
    }
}
