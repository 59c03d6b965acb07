//! A system in words: who holds what.
//!
//! Called by the host command for `capos check`, with a system from a manifest or from an image; calls the tables of
//! `capos-schema` through `sources`.
//!
//! Invariant: every capability of every process has one line, or one object, and equal systems have equal texts.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::quantity::{duration_text, size_text};
use crate::sources::{RECEIVE_SIDE, method_names, offered};
use crate::system::{Process, Restart, Source, System, When};
use crate::verify::IMPLIED;

/// The launch parameters in the CapSet of a WASI instance: a message that init makes, and no part of the image.
const LAUNCH: &str = "launch";

/// What is said of a process that may have a device access memory.
const REACHES_ALL_MEMORY: &str = "drives a device: without an IOMMU it can reach all of the machine's memory";

/// One line for the system, one for each process, and one for each capability: name, interface, methods, and the part of
/// the image it is.
#[must_use]
pub fn describe(system: &System) -> String {
    let machine = system
        .machine_memory
        .map_or(String::new(), |bytes| format!(", of the machine's {}", size_text(bytes)));
    let mut text = format!(
        "system \"{}\": its outcome is that of \"{}\"; {} of memory are set aside{machine}\n",
        system.name,
        system.main,
        size_text(system.memory_total()),
    );
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
        if process.reaches_all_memory() {
            let _ = writeln!(text, "  {REACHES_ALL_MEMORY}");
        }
    }
    text
}

fn summary(process: &Process) -> String {
    let time =
        process.wall_clock.map_or("no time limit".to_owned(), |time| format!("time {}", duration_text(time)));
    let limits = limits(process);
    match &process.launch {
        Some(launch) => format!(
            "WASI instance of {} in \"{}\", linear memory {}, in all {limits}, {}, {time}",
            launch.module_name,
            process.image,
            size_text(launch.memory_limit),
            launch.fuel.map_or("no fuel limit".to_owned(), |fuel| format!("fuel {fuel}")),
        ),
        None => {
            format!("program \"{}\", memory {limits}, {time}{}", process.image, restart(&process.restart))
        }
    }
}

/// What is carved out of the machine for it.
fn limits(process: &Process) -> String {
    let (limit, reserve) = (size_text(process.memory_limit), size_text(process.memory_reserve));
    let rate = process.processor.rate.map_or(String::new(), |(budget, period)| {
        format!(", {} of each {}", duration_text(budget), duration_text(period))
    });
    format!("{limit}, reserve {reserve}, weight {}{rate}", process.processor.weight)
}

/// How it is started again.
fn restart(restart: &Restart) -> String {
    let when = match restart.when {
        When::Never => return String::new(),
        When::OnFailure => "when it fails",
        When::Always => "whenever it ends",
    };
    format!(", started again {when}: {} times, after {}", restart.most, duration_text(restart.delay))
}

fn rows(process: &Process) -> Vec<[String; 3]> {
    let row = |held: Holding| {
        let note = match (&held.part, held.name.as_str()) {
            // No grant has the name of what a WASI instance has besides.
            (None, LAUNCH) => "  (arguments, environment, limits)".to_owned(),
            (None, _) => match (&held.serves, &held.from) {
                (Some(interface), _) => format!("  (serves {interface})"),
                (None, Some(from)) => format!("  (served by \"{from}\")"),
                (None, None) => held.device.map_or(String::new(), |device| format!("  ({device})")),
            },
            (Some(part), _) => format!("  (part \"{part}\")"),
        };
        [held.name, held.interface.to_owned(), format!("{}{note}", held.methods.join(", "))]
    };
    holdings(process).into_iter().map(row).collect()
}

/// A capability as it is told.
#[derive(Debug, Serialize)]
struct Holding {
    name: String,
    interface: &'static str,
    methods: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'static str>,
    /// The process that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The interface that others call, for a receive side.
    #[serde(skip_serializing_if = "Option::is_none")]
    serves: Option<&'static str>,
}

/// All that a process holds: its grants, the receive sides of what it serves, and what a WASI instance has besides.
fn holdings(process: &Process) -> Vec<Holding> {
    let holding = |name: &str, source: &Source, methods: Option<u64>| {
        let held = offered(source);
        let part = match source {
            Source::Part(part) if name != LAUNCH => Some(part.clone()),
            _ => None,
        };
        let methods = method_names(held.interface, methods.unwrap_or(held.methods));
        let from = match source {
            Source::Service { process, .. } => Some(process.clone()),
            _ => None,
        };
        let device = match source {
            Source::Device(device) => Some(device.name()),
            _ => None,
        };
        let (name, interface) = (name.to_owned(), held.interface.name);
        Holding { name, interface, methods, part, device, from, serves: None }
    };
    let serves = process.serves.iter().map(|service| {
        let (interface, methods) = RECEIVE_SIDE;
        Holding {
            name: service.name.clone(),
            interface: interface.name,
            methods: method_names(interface, methods),
            part: None,
            device: None,
            from: None,
            serves: Some(service.interface.name),
        }
    });
    let grants = process.grants.iter().map(|grant| holding(&grant.name, &grant.source, Some(grant.methods)));
    let implied = process.module.iter().flat_map(|module| {
        let source = Source::Part(module.clone());
        IMPLIED.map(|name| holding(name, &source, None))
    });
    grants.chain(serves).chain(implied).collect()
}

/// The system as `capos check --json` prints it.
#[derive(Debug, Serialize)]
struct SystemDocument<'a> {
    name: &'a str,
    main: &'a str,
    /// What is set aside for all processes together.
    reserve_bytes: u64,
    machine_memory_bytes: Option<u64>,
    processes: Vec<ProcessDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ProcessDocument<'a> {
    name: &'a str,
    program: &'a str,
    memory_bytes: u64,
    reserve_bytes: u64,
    weight: u32,
    budget_nanoseconds: Option<u64>,
    period_nanoseconds: Option<u64>,
    time_nanoseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<InstanceDocument<'a>>,
    /// True for a driver: there is no IOMMU between its device and the memory of others.
    reaches_all_memory: bool,
    holds: Vec<Holding>,
}

#[derive(Debug, Serialize)]
struct InstanceDocument<'a> {
    module: &'a str,
    linear_memory_bytes: u64,
    fuel: Option<u64>,
    arguments: Vec<String>,
    environment: Vec<String>,
}

/// The same as [`describe`] for programs: a JSON object with the fields `name`, `main` and `processes`; sizes in bytes,
/// times in nanoseconds, `null` for no limit. Bytes that are not UTF-8 are replaced.
#[must_use]
pub fn describe_json(system: &System) -> serde_json::Value {
    let document = SystemDocument {
        name: &system.name,
        main: &system.main,
        reserve_bytes: system.memory_total(),
        machine_memory_bytes: system.machine_memory,
        processes: system.processes.iter().map(process_document).collect(),
    };
    serde_json::to_value(document).unwrap_or_default()
}

fn process_document(process: &Process) -> ProcessDocument<'_> {
    let texts = |list: &[Vec<u8>]| list.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect();
    let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
    let rate = process.processor.rate;
    ProcessDocument {
        name: &process.name,
        program: &process.image,
        memory_bytes: process.memory_limit,
        reserve_bytes: process.memory_reserve,
        weight: process.processor.weight,
        budget_nanoseconds: rate.map(|(budget, _)| nanoseconds(budget)),
        period_nanoseconds: rate.map(|(_, period)| nanoseconds(period)),
        time_nanoseconds: process.wall_clock.map(nanoseconds),
        instance: process.launch.as_ref().map(|launch| InstanceDocument {
            module: &launch.module_name,
            linear_memory_bytes: launch.memory_limit,
            fuel: launch.fuel,
            arguments: texts(&launch.arguments),
            environment: texts(&launch.environment),
        }),
        reaches_all_memory: process.reaches_all_memory(),
        holds: holdings(process),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{Grant, Launch};

    #[test]
    fn programs_read_the_same_as_people() {
        let process = Process {
            name: "app".to_owned(),
            image: "capos-wasm".to_owned(),
            module: Some("module/app".to_owned()),
            launch: Some(Launch { fuel: Some(7), arguments: vec![b"app".to_vec()], ..Launch::default() }),
            grants: vec![Grant { name: "stdout".to_owned(), source: Source::ConsoleOutput, methods: 1 }],
            ..Process::default()
        };
        let system = System {
            name: "one".to_owned(),
            main: "app".to_owned(),
            processes: vec![process],
            ..System::default()
        };
        let json = describe_json(&system);
        let found = &json["processes"][0];
        assert_eq!((&json["main"], &found["instance"]["fuel"]), (&"app".into(), &7.into()));
        assert!(found["time_nanoseconds"].is_null());
        let text = describe(&system);
        for held in found["holds"].as_array().unwrap() {
            let (name, interface) = (held["name"].as_str().unwrap(), held["interface"].as_str().unwrap());
            assert!(
                text.lines().any(|line| line.trim().starts_with(name) && line.contains(interface)),
                "{name} is not in {text}"
            );
        }
        assert_eq!(found["holds"].as_array().unwrap().len(), 3);
        assert_eq!(found["holds"][1]["part"], "module/app");
    }
}
