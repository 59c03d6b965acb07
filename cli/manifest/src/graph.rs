//! A system as a graph: an edge for each capability that somebody holds and somebody else made.
//!
//! Called by the host command for `capos graph`; calls `sources`.
//!
//! Invariant: one line for each grant, in the order of the manifest, and no line for anything else. An edge leads from whoever
//! serves the object, however many hands the capability has gone through.

use std::fmt::Write;

use crate::sources::{method_names, offered};
use crate::system::{Source, System};

/// The edges in lines: who serves, who may call, under which name, with which methods of which interface.
#[must_use]
pub fn graph(system: &System) -> String {
    let rows: Vec<[String; 4]> = system
        .processes
        .iter()
        .flat_map(|process| process.grants.iter().map(move |grant| (process, grant)))
        .map(|(process, grant)| {
            let held = offered(&grant.source);
            let from = server(system, &grant.source);
            let methods = method_names(held.interface, grant.methods).join(", ");
            let edge = format!("{from} -> {}", process.name);
            [edge, grant.name.clone(), held.interface.name.to_owned(), methods]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (edge, name, interface) = (width(0), width(1), width(2));
    let mut text = String::new();
    for [first, second, third, fourth] in &rows {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{first:edge$}  {second:name$}  {third:interface$}  {fourth}");
    }
    if rows.is_empty() {
        text.push_str("nobody holds anything\n");
    }
    text
}

/// Who serves what a source is.
pub(crate) fn server<'s>(system: &'s System, source: &'s Source) -> &'s str {
    match source {
        Source::Service { process, .. } => process,
        Source::ConsoleOutput | Source::ConsoleError => {
            system.processes.iter().find(|process| process.serves_console()).map_or("kernel", |it| &it.name)
        }
        _ => "kernel",
    }
}

#[cfg(test)]
mod tests {
    use capos_schema::interface;

    use super::*;
    use crate::system::{Grant, Process, Service};

    #[test]
    fn an_edge_leads_from_who_serves() {
        let interface = interface::by_name("KeyValue").unwrap();
        let service = Service { name: "keys".to_owned(), interface, methods: interface.all_methods };
        let keys = Source::Service { process: "server".to_owned(), service: service.clone() };
        let grant = |name: &str, source, methods| Grant { name: name.to_owned(), source, methods };
        let server = Process {
            name: "server".to_owned(),
            grants: vec![grant("timer", Source::Timer, 0b11)],
            serves: vec![service],
            ..Process::default()
        };
        let client = Process {
            name: "client".to_owned(),
            grants: vec![grant("store", keys, 0b101)],
            ..Process::default()
        };
        let system = System { processes: vec![server, client], ..System::default() };
        let expected = "kernel -> server  timer  Timer     now, sleep\n\
                        server -> client  store  KeyValue  open, borrow\n";
        assert_eq!(graph(&system), expected);
        assert_eq!(graph(&System::default()), "nobody holds anything\n");
    }
}
