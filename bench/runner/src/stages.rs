//! A whole boot, split by stage: where each stage begins is an address whose first execution the plugin notes.
//!
//! Called by `main`; boots the demos' manifests, and asks `memory` what their processes took.
//!
//! Invariant: stages follow each other without gaps, so they add up to the way from reset to the first byte.

use std::path::Path;

use crate::Counts;
use crate::machine::{Machine, Mark, Ran};
use crate::memory;
use crate::symbols::Program;

/// Runs of each boot.
const RUNS: usize = 7;

const FOLDER: &str = "target/capos/lib/capos";

/// The demos, and what their figures are called.
const BOOTS: [(&str, &str); 3] = [
    ("empty", "manifests/system-wasm-host.cue"),
    ("hello-c", "manifests/system-wasi-hello-c.cue"),
    ("hello-rust", "manifests/system-wasi-hello-rust.cue"),
];

/// Programs whose fuel is limited, and what their figures are called. (Without a limit the engine counts none.)
const WITH_FUEL: [(&str, &str); 2] = [
    ("hello-c", "target/capos/demos/wasi-hello-c.wasm"),
    ("hello-rust", "target/capos/demos/wasi-hello-rust.wasm"),
];
const FUEL: [&str; 4] = ["--fuel", "1000000000", "--memory", "16MiB"];

/// Stages in their order, each with the mark at which it ends.
const STAGES: [(&str, &str); 7] = [
    ("firmware", "boot"),
    ("boot-stage", "kernel"),
    ("kernel", "init"),
    ("init", "spawn"),
    ("spawn", "host"),
    ("load", "guest"),
    ("guest", "byte"),
];

/// Boots each demo.
///
/// # Errors
/// A program is missing or does not run.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let mut counts = Counts::new();
    let marks = marks()?;
    for (name, manifest) in BOOTS {
        let ran = least(machine, &[manifest], &marks)?;
        let at = places(&ran.marks);
        let mut start = 0;
        for (stage, mark) in STAGES {
            let Some(end) = at(mark) else { break };
            counts.insert(format!("{name}-{stage}"), (end - start) as f64);
            start = end;
        }
        let difference = |from, to| Some((at(to)? - at(from)?) as f64);
        let sums = [
            ("first-byte", at("byte").map(|at| at as f64)),
            ("spawn-to-guest", difference("spawn", "guest")),
            ("spawn-to-end", difference("spawn", "end")),
            ("whole", Some(ran.total as f64)),
        ];
        for (sum, count) in sums {
            counts.extend(count.map(|count| (format!("{name}-{sum}"), count)));
        }
        if let Some(memory) = memory::of_instance(&ran.log) {
            counts.insert(format!("{name}-memory"), memory.peak_bytes as f64);
            counts.insert(format!("{name}-touched"), memory.touched_pages as f64);
            counts.insert(format!("{name}-kernel-memory"), memory.kernel_bytes as f64);
        }
    }
    for (name, module) in WITH_FUEL {
        let words: Vec<&str> = FUEL.into_iter().chain([module]).collect();
        let ran = least(machine, &words, &marks)?;
        let at = places(&ran.marks);
        if let (Some(start), Some(end)) = (at("spawn"), at("end")) {
            counts.insert(format!("{name}-fuel-spawn-to-end"), (end - start) as f64);
        }
    }
    Ok(counts)
}

/// Of several runs the one with the fewest instructions: the kernel looks again and again until the host's random source has
/// answered, and how often is the host's affair.
fn least(machine: &Machine, words: &[&str], marks: &[Mark]) -> Result<Ran, String> {
    let runs: Result<Vec<Ran>, String> = (0..RUNS).map(|_| machine.run(words, marks, false)).collect();
    runs?.into_iter().min_by_key(|ran| ran.total).ok_or_else(|| "nothing was run".to_owned())
}

fn marks() -> Result<Vec<Mark>, String> {
    let open = |file: &str| {
        Program::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FOLDER).join(file))
    };
    let (boot, kernel) = (open("boot.elf.debug")?, open("kernel.elf.debug")?);
    let (init, host) = (open("init.elf.debug")?, open("capos-wasm.elf.debug")?);
    let console = open("virtio-console.elf.debug")?;
    // A function that this compiler has merged into another cannot be found: its figures are then not measured.
    let found = |name, program: &Program, address: Option<u64>| {
        address.map(|address| Mark { name, address, code: program.code(address) })
    };
    let marks = [
        found("boot", &boot, Some(boot.entry)),
        found("kernel", &kernel, Some(kernel.entry)),
        found("init", &init, Some(init.entry)),
        found("spawn", &kernel, kernel.function("13build_process")),
        found("host", &host, Some(host.entry)),
        found("guest", &host, host.function("19init_wasm_func_call")),
        found("byte", &console, console.function("4Wire4send")),
        found("end", &kernel, kernel.function("13reply_outcome")),
    ];
    Ok(marks.into_iter().flatten().collect())
}

/// Where each mark was reached first; byte and end only behind the start of the guest's host, and spawn last before it: drivers
/// are made before.
fn places(marks: &[(String, u64)]) -> impl Fn(&str) -> Option<u64> {
    let first = |name: &str, from: u64| {
        marks.iter().find(|(mark, at)| mark == name && *at >= from).map(|(_, at)| *at)
    };
    let init = first("init", 0).unwrap_or(0);
    let host = first("host", init).unwrap_or(u64::MAX);
    let spawns = marks.iter().filter(|(mark, at)| mark == "spawn" && (init..host).contains(at));
    let found: Vec<(&'static str, Option<u64>)> = vec![
        ("boot", first("boot", 0)),
        ("kernel", first("kernel", 0)),
        ("init", first("init", 0)),
        ("spawn", spawns.map(|(_, at)| *at).max()),
        ("host", first("host", init)),
        ("guest", first("guest", host)),
        ("byte", first("byte", host)),
        ("end", first("end", host)),
    ];
    move |name| found.iter().find(|(mark, _)| *mark == name).and_then(|(_, at)| *at)
}
