//! A system in words: who holds what.
//!
//! Called by the host command for `capos check`, with a system from a manifest or from an image; calls the tables of
//! `capos-schema` through `sources`.
//!
//! Invariant: every capability of every process has one line, and equal systems have equal texts.

use std::fmt::Write;

use crate::quantity::{duration_text, size_text};
use crate::sources::{method_names, offered};
use crate::system::{Process, Source, System};

/// One line for the system, one for each process, and one for each capability: name, interface, methods, and the part of
/// the image it is.
#[must_use]
pub fn describe(system: &System) -> String {
    let mut text = format!("system \"{}\": its outcome is that of \"{}\"\n", system.name, system.main);
    for process in &system.processes {
        let rows = rows(process);
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let (name, interface) = (width(0), width(1));
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\nprocess \"{}\": {}", process.name, summary(process));
        for [first, second, third] in &rows {
            let _ = writeln!(text, "  {first:name$}  {second:interface$}  {third}");
        }
        if rows.is_empty() {
            text.push_str("  holds nothing\n");
        }
    }
    text
}

fn summary(process: &Process) -> String {
    let time =
        process.wall_clock.map_or("no time limit".to_owned(), |time| format!("time {}", duration_text(time)));
    let memory = size_text(process.memory_limit);
    match &process.launch {
        Some(launch) => format!(
            "WASI instance of {} in \"{}\", linear memory {}, in all {memory}, {}, {time}",
            launch.module_name,
            process.image,
            size_text(launch.memory_limit),
            launch.fuel.map_or("no fuel limit".to_owned(), |fuel| format!("fuel {fuel}")),
        ),
        None => format!("program \"{}\", memory {memory}, {time}", process.image),
    }
}

fn rows(process: &Process) -> Vec<[String; 3]> {
    let row = |name: &str, source: &Source, methods: u64, note: &str| {
        let interface = offered(source).interface;
        let methods = method_names(interface, methods).join(", ");
        [name.to_owned(), interface.name.to_owned(), format!("{methods}{note}")]
    };
    let mut rows: Vec<[String; 3]> = process
        .grants
        .iter()
        .map(|grant| match &grant.source {
            Source::Part(part) => {
                row(&grant.name, &grant.source, grant.methods, &format!("  (part \"{part}\")"))
            }
            source => row(&grant.name, source, grant.methods, ""),
        })
        .collect();
    if let Some(module) = &process.module {
        let source = Source::Part(module.clone());
        let methods = offered(&source).methods;
        rows.push(row("module", &source, methods, &format!("  (part \"{module}\")")));
        rows.push(row("launch", &source, methods, "  (arguments, environment, limits)"));
    }
    rows
}
