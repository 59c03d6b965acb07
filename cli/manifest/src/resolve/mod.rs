//! The checks: from a document to a system, or everything that is wrong with it.
//!
//! Called by `load` and by `instance`; calls the table of `sources`, the library and the file system. In order: names
//! (distinct, well-formed, not reserved), order (who needs whom, no cycle), then process by process, givers first: files,
//! limits, and grants out of offers; sums at last.
//!
//! Invariant: a [`Package`] comes out only if nothing was refused, and every grant in it traces back to the kernel
//! through givers that hold it, with no method that one of them lacks.

mod drivers;
mod grants;
mod instance;
mod limits;
mod names;
mod native;
mod order;
mod parts;
mod positions;
mod sums;

use std::collections::HashMap;
use std::path::Path;

use capos_schema::interface::{self, Description};

use crate::document::{Document, Process as Written};
use crate::library::Library;
use crate::refusal::{Refusal, Refusals};
use crate::sources::Held;
use crate::system::{Package, Process, System};

use instance::ADAPTER;
use parts::Parts;
pub(crate) use positions::{At, Positions};

/// Checks a document whose files are relative to `folder`. With `module` the one module of the document is these bytes, and
/// its path is only a name.
pub(crate) fn resolve(
    document: &Document,
    positions: &Positions,
    folder: &Path,
    module: Option<Vec<u8>>,
    library: &Library,
) -> Result<Package, Refusals> {
    let adapter = library.program(ADAPTER);
    if document.processes.iter().any(|process| matches!(process, Written::Instance(_))) && !adapter.is_file()
    {
        let message =
            format!("the WASI host is missing from this installation: no file {}", adapter.display());
        return Err(Refusal::general(message).into());
    }
    let mut resolver = Resolver {
        document,
        positions,
        library,
        parts: Parts::new(folder, module),
        files: HashMap::new(),
        held: HashMap::new(),
        refusals: Vec::new(),
    };
    resolver.check_names();
    let Some(order) = resolver.order() else { return Err(resolver.refused()) };
    resolver.add_files();
    resolver.check_offers();
    let mut processes: Vec<Process> = order.into_iter().filter_map(|index| resolver.process(index)).collect();
    processes.extend(resolver.drivers(&processes));
    let (name, main) = (document.name.clone(), resolver.main().to_owned());
    let system = System { name, main, processes, machine_memory: resolver.machine_memory() };
    resolver.check_sums(&system);
    if !resolver.refusals.is_empty() {
        return Err(resolver.refused());
    }
    let files = resolver.parts.files();
    Ok(Package { system, parts: resolver.parts.into_contents(), files })
}

/// The state of one check: what was found so far.
struct Resolver<'a> {
    document: &'a Document,
    positions: &'a Positions,
    library: &'a Library,
    parts: Parts,
    /// The part of each file that the document lists, by its name there.
    files: HashMap<&'a str, String>,
    /// What each process that was looked at holds, by its name there.
    held: HashMap<&'a str, Vec<(String, Held)>>,
    refusals: Vec<Refusal>,
}

impl<'a> Resolver<'a> {
    /// Notes that something is wrong, and goes on.
    fn refuse(&mut self, at: &At, message: impl Into<String>, accepted: impl Into<String>) {
        self.refusals.push(Refusal {
            position: self.positions.of(at),
            path: at.to_string(),
            message: message.into(),
            accepted: accepted.into(),
        });
    }

    /// All refusals in the order of the file.
    fn refused(mut self) -> Refusals {
        self.refusals.sort_by_key(|it| it.position.as_ref().map(|position| (position.line, position.column)));
        Refusals(self.refusals)
    }

    fn process(&mut self, index: usize) -> Option<Process> {
        let document: &'a Document = self.document;
        let at = At::root().field("processes").index(index);
        let (process, held) = match document.processes.get(index)? {
            Written::Instance(instance) => self.instance(instance, &at),
            Written::Native(native) => self.native(native, &at),
        };
        self.held.insert(document.processes[index].name(), held);
        process
    }

    /// The process whose end is the outcome.
    fn main(&self) -> &'a str {
        let document: &'a Document = self.document;
        document.main.as_deref().or(document.processes.first().map(Written::name)).unwrap_or_default()
    }

    /// The interface of this name.
    fn interface(&mut self, name: &str, at: &At) -> Option<&'static Description> {
        let found = interface::by_name(name);
        if found.is_none() {
            let names = capos_schema::INTERFACES.iter().map(|interface| interface.name);
            self.refuse(at, format!("no interface \"{name}\""), listed(names));
        }
        found
    }

    /// The names of all processes, for messages.
    fn process_names(&self) -> Vec<&'a str> {
        let document: &'a Document = self.document;
        document.processes.iter().map(Written::name).collect()
    }
}

/// Joins names for a message.
fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
