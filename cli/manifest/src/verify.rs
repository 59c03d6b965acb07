//! An image's manifest against what this version knows: the same questions that a CUE manifest is asked, after the fact.
//!
//! Called by the host command for `check IMAGE` and before it boots an image that it did not just build; calls `sources`.
//!
//! Invariant: what passes names only parts that are there, and grants only what the kernel offers.

use std::collections::HashSet;

use crate::drivers::DRIVERS;
use crate::refusal::{Refusal, Refusals};
use crate::sources::offered;
use crate::system::{Grant, PROCESSES_MAX, Process, Source, System, WEIGHT_MOST, When};

/// Names that a WASI instance has besides its grants.
pub(crate) const IMPLIED: [&str; 2] = ["module", "launch"];

/// Checks a system that was read from an image with these parts.
///
/// # Errors
/// Everything that is wrong; the path names the process.
pub fn verify(system: &System, parts: &[&str]) -> Result<(), Refusals> {
    let mut refusals = Vec::new();
    let mut refuse = |path: String, message: String| {
        refusals.push(Refusal { path, ..Refusal::general(message) });
    };
    let mut names = HashSet::new();
    for (index, process) in system.processes.iter().enumerate() {
        let path = format!("processes[{index}]");
        if !names.insert(process.name.as_str()) {
            refuse(format!("{path}.name"), format!("duplicate name \"{}\"", process.name));
        }
        for (at, message) in wrong_in_process(process, parts) {
            refuse(format!("{path}{at}"), message);
        }
    }
    let (memory, most) = (system.memory_total(), system.memory_most(0));
    if memory > most {
        refuse("processes".to_owned(), format!("{memory} bytes are set aside; at most {most} can be"));
    }
    let weight: u64 = system.processes.iter().map(|process| u64::from(process.processor.weight)).sum();
    if weight > u64::from(WEIGHT_MOST) {
        refuse("processes".to_owned(), format!("weights of {weight} together; at most {WEIGHT_MOST}"));
    }
    if system.processes.len() > PROCESSES_MAX + DRIVERS.len() {
        refuse("processes".to_owned(), format!("{} processes", system.processes.len()));
    }
    let is_main_restarted =
        |process: &Process| process.name == system.main && process.restart.when != When::Never;
    if system.processes.iter().any(is_main_restarted) {
        refuse("main".to_owned(), format!("\"{}\" cannot be started again", system.main));
    }
    if !names.contains(system.main.as_str()) {
        refuse("main".to_owned(), format!("no process \"{}\"", system.main));
    }
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

fn wrong_in_process(process: &Process, parts: &[&str]) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if process.name.is_empty() || process.name.len() > capos_abi::image::NAME_BYTES_MAX {
        wrong.push((".name".to_owned(), format!("wrong name {:?}", process.name)));
    }
    for part in [Some(&process.image), process.module.as_ref()].into_iter().flatten() {
        if !parts.contains(&part.as_str()) {
            wrong.push((String::new(), format!("the image has no part \"{part}\"")));
        }
    }
    if process.module.is_some() != process.launch.is_some() {
        wrong.push((String::new(), "a module and launch parameters go together".to_owned()));
    }
    if process.memory_reserve > process.memory_limit {
        let (reserve, limit) = (process.memory_reserve, process.memory_limit);
        let message = format!("a reserve of {reserve} bytes above the limit of {limit}");
        wrong.push((".memoryReserve".to_owned(), message));
    }
    if !process.processor.is_valid() {
        wrong.push((String::new(), "no such share of the processor".to_owned()));
    }
    if !process.rings.is_valid() {
        wrong.push((".rings".to_owned(), "these ring sizes do not go together".to_owned()));
    }
    let mut names: HashSet<&str> = process.module.iter().flat_map(|_| IMPLIED).collect();
    let count = process.grants.len() + process.serves.len();
    if names.len() + count > capos_abi::capset::ENTRIES_MAX {
        wrong.push((".grants".to_owned(), format!("{count} capabilities")));
    }
    for (index, service) in process.serves.iter().enumerate() {
        let at = format!(".serves[{index}]");
        if !names.insert(&service.name) {
            wrong.push((at.clone(), format!("duplicate name \"{}\"", service.name)));
        }
        if service.methods == 0 || service.methods & !service.interface.all_methods != 0 {
            let (mask, name) = (service.methods, service.interface.name);
            let message = format!("\"{}\" has the mask {mask:#x}, which is no part of {name}", service.name);
            wrong.push((at, message));
        }
    }
    for (index, grant) in process.grants.iter().enumerate() {
        let at = format!(".grants[{index}]");
        if !names.insert(&grant.name) {
            wrong.push((at.clone(), format!("duplicate name \"{}\"", grant.name)));
        }
        wrong.extend(wrong_in_grant(grant, parts).map(|message| (at, message)));
    }
    wrong
}

fn wrong_in_grant(grant: &Grant, parts: &[&str]) -> Option<String> {
    let offered = offered(&grant.source);
    if !capos_abi::capset::is_valid_name(&grant.name) {
        return Some(format!("wrong name {:?}", grant.name));
    }
    if grant.methods == 0 || grant.methods & !offered.methods != 0 {
        let name = offered.interface.name;
        return Some(format!(
            "\"{}\" has the mask {:#x}, which is no part of {name}",
            grant.name, grant.methods
        ));
    }
    match &grant.source {
        Source::Part(part) if !parts.contains(&part.as_str()) => {
            Some(format!("the image has no part \"{part}\""))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use capos_schema::interface;

    use crate::system::{Launch, Service};

    fn sample() -> System {
        let timer = Grant { name: "timer".to_owned(), source: Source::Timer, methods: 1 };
        let file = Grant { name: "file".to_owned(), source: Source::Part("file/a".to_owned()), methods: 1 };
        let process = Process {
            name: "hello".to_owned(),
            image: "capos-wasm".to_owned(),
            grants: vec![timer, file],
            launch: Some(Launch::default()),
            module: Some("module/hello".to_owned()),
            ..Process::default()
        };
        System {
            name: "sample".to_owned(),
            main: "hello".to_owned(),
            processes: vec![process],
            ..System::default()
        }
    }

    const PARTS: [&str; 3] = ["capos-wasm", "module/hello", "file/a"];

    fn refused(change: impl FnOnce(&mut System)) -> String {
        let mut system = sample();
        change(&mut system);
        verify(&system, &PARTS).unwrap_err().to_string()
    }

    #[test]
    fn a_good_system_passes() {
        assert_eq!(verify(&sample(), &PARTS), Ok(()));
    }

    fn limits_are_named() {
        assert_eq!(
            refused(|it| it.processes[0].memory_reserve = 1),
            "processes[0].memoryReserve: a reserve of 1 bytes above the limit of 0"
        );
        let large = |it: &mut System| {
            (it.processes[0].memory_limit, it.processes[0].memory_reserve) = (u64::MAX, 1 << 29);
            it.machine_memory = Some(1 << 29);
        };
        assert_eq!(refused(large), "processes: 536870912 bytes are set aside; at most 390451552 can be");
        assert_eq!(
            refused(|it| it.processes[0].processor.weight = 1_000_000),
            "processes: weights of 1000000 together; at most 999999"
        );
        let rate = |budget, period| Some((Duration::from_nanos(budget), Duration::from_nanos(period)));
        for rate in [rate(0, 1_000_000), rate(1_000_001, 1_000_000), rate(1, 999_999), rate(1, u64::MAX)] {
            let told = refused(|it| it.processes[0].processor.rate = rate);
            assert_eq!(told, "processes[0]: no such share of the processor", "{rate:?}");
        }
        let told = refused(|it| it.processes[0].processor.weight = 0);
        assert_eq!(told, "processes[0]: no such share of the processor");
    }

    #[test]
    fn each_mistake_is_named() {
        assert_eq!(refused(|it| it.main = "x".to_owned()), "main: no process \"x\"");
        assert_eq!(
            refused(|it| it.processes[0].module = Some("m".to_owned())),
            "processes[0]: the image has no part \"m\""
        );
        assert_eq!(
            refused(|it| it.processes[0].launch = None),
            "processes[0]: a module and launch parameters go together"
        );
        assert_eq!(
            refused(|it| it.processes[0].rings.submission_entries = 5),
            "processes[0].rings: these ring sizes do not go together"
        );
        assert_eq!(
            refused(|it| it.processes[0].grants[0].methods = 0b1000),
            "processes[0].grants[0]: \"timer\" has the mask 0x8, which is no part of Timer"
        );
        assert_eq!(
            refused(|it| it.processes[0].grants[1].source = Source::Part("b".to_owned())),
            "processes[0].grants[1]: the image has no part \"b\""
        );
        assert_eq!(
            refused(|it| it.processes[0].grants[1].name = "launch".to_owned()),
            "processes[0].grants[1]: duplicate name \"launch\""
        );
        limits_are_named();
        let interface = interface::by_name("Timer").unwrap();
        let service = |name: &str, methods| Service { name: name.to_owned(), interface, methods };
        assert_eq!(
            refused(|it| it.processes[0].serves = vec![service("timer", 1), service("clock", 8)]),
            "processes[0].serves[1]: \"clock\" has the mask 0x8, which is no part of Timer\n\
             processes[0].grants[0]: duplicate name \"timer\""
        );
        assert_eq!(
            refused(|it| it.processes[0].restart.when = When::Always),
            "main: \"hello\" cannot be started again"
        );
        let many = refused(|it| {
            let copy = |index| Process { name: format!("p{index}"), ..it.processes[0].clone() };
            let copies: Vec<Process> = (0..PROCESSES_MAX + DRIVERS.len()).map(copy).collect();
            it.processes.extend(copies);
        });
        assert_eq!(many, format!("processes: {} processes", PROCESSES_MAX + DRIVERS.len() + 1));
        let doubled = refused(|it| it.processes.push(it.processes[0].clone()));
        assert_eq!(doubled, "processes[1].name: duplicate name \"hello\"");
    }
}
