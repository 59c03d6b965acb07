//! Names: well-formed, distinct, not reserved, and those that refer to something do.
//!
//! Called first by `resolve`. Invariant: after it, every name of a process, a part, a capability and an environment
//! variable can be written into a boot image as it is.

use std::collections::HashMap;

use super::{At, Resolver, listed};
use crate::sources::kernel_offers;
use crate::system::PROCESSES_MAX;

/// Bytes of a name at most: with the prefix of a part, `program/`, it fits into the 64 of the image's part table.
const NAME_BYTES_MAX: usize = 48;
/// Bytes of the name of a capability at most: what an entry of the CapSet page takes.
const CAPABILITY_BYTES_MAX: usize = capos_abi::capset::NAME_BYTES_MAX;
pub(super) const KERNEL: &str = "kernel";
const RESERVED: [&str; 2] = [KERNEL, "init"];

impl Resolver<'_> {
    /// Checks every name and every reference to a process.
    pub(super) fn check_names(&mut self) {
        let document = self.document;
        let root = At::root();
        self.check_name(&document.name, NAME_BYTES_MAX, &root.field("name"));
        self.check_processes();
        if let Some(main) = &document.main {
            self.check_process_exists(main, &root.field("main"));
        }
        for (index, process) in document.processes.iter().enumerate() {
            for (place, name) in process.after().iter().enumerate() {
                let at = root.field("processes").index(index).field("after").index(place);
                self.check_process_exists(name, &at);
            }
        }
        for (name, _) in &document.parts.0 {
            let at = root.field("parts").field(name);
            self.check_name(name, CAPABILITY_BYTES_MAX, &at);
            if kernel_offers().any(|(taken, _)| taken == name) {
                self.refuse(
                    &at,
                    format!("\"{name}\" is what the kernel calls something else"),
                    "another name",
                );
            }
        }
    }

    fn check_processes(&mut self) {
        let document = self.document;
        let list = At::root().field("processes");
        if document.processes.is_empty() {
            self.refuse(&list, "a system without processes", "at least one process");
        }
        if document.processes.len() > PROCESSES_MAX {
            let message = format!("{} processes", document.processes.len());
            self.refuse(&list, message, format!("at most {PROCESSES_MAX}"));
        }
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (index, process) in document.processes.iter().enumerate() {
            let at = list.index(index).field("name");
            let name = process.name();
            self.check_name(name, NAME_BYTES_MAX, &at);
            if RESERVED.contains(&name) {
                self.refuse(&at, format!("the name \"{name}\" is reserved"), "another name");
            }
            if let Some(earlier) = first.get(name) {
                let place = self.positions.of(&list.index(*earlier).field("name"));
                let place = place.map_or_else(|| format!("processes[{earlier}]"), |it| it.to_string());
                let message = format!("duplicate name \"{name}\": the first one is at {place}");
                self.refuse(&at, message, "a name that no other process has");
            }
            first.entry(name).or_insert(index);
        }
    }

    /// Refuses a name that is not well-formed.
    pub(super) fn check_name(&mut self, name: &str, bytes_max: usize, at: &At) {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        let is_good = name.len() <= bytes_max
            && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && name.chars().all(is_plain);
        if !is_good {
            let accepted = format!(
                "a name: 1 to {bytes_max} letters, digits, '.', '_' and '-', starting with a letter or digit"
            );
            self.refuse(at, format!("wrong name {name:?}"), accepted);
        }
    }

    /// Refuses the name of a capability that is not well-formed.
    pub(super) fn check_capability_name(&mut self, name: &str, at: &At) {
        self.check_name(name, CAPABILITY_BYTES_MAX, at);
    }

    /// Refuses a name that no process has.
    pub(super) fn check_process_exists(&mut self, name: &str, at: &At) -> bool {
        let names = self.process_names();
        let exists = names.contains(&name);
        if !exists {
            self.refuse(at, format!("no process \"{name}\""), listed(names));
        }
        exists
    }
}
