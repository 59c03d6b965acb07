//! `capos-bench`: counts what the system costs, in instructions, and holds the counts against the recorded figures.
//!
//! Started by `make bench` (prints; with `--record` it writes the counts of this toolchain into the table), `make
//! bench-check` (fails on a move) and `make profile` (instructions by function). Runs the real `capos` command.
//!
//! Invariant: counts are exact: under QEMU's instruction clock, with a fixed seed and start of time, the same code gives the
//! same numbers. Where the host's answers come in between (console, random source), the least of several runs counts; no figure
//! depends on the time that anything takes here.
#![forbid(unsafe_code)]

mod counts;
mod machine;
mod profile;
mod report;
mod sizes;
mod stages;
mod symbols;
mod table;
mod toolchain;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use machine::Machine;
use table::Table;
use toolchain::Toolchain;

/// Counts by the name of their figure.
pub(crate) type Counts = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bench"] => bench(Mode::Print),
        ["bench", "--record"] => bench(Mode::Record),
        ["bench-check"] => bench(Mode::Check),
        ["profile"] => profile::profile(&root(), Path::new("bench/counts.cue")).map(|()| true),
        ["profile", manifest] => profile::profile(&root(), Path::new(manifest)).map(|()| true),
        _ => Err("usage: capos-bench bench [--record] | bench-check | profile [MANIFEST]".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is done with the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Print,
    Check,
    Record,
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf)
}

fn bench(mode: Mode) -> Result<bool, String> {
    let root = root();
    let table = Table::read(&root.join("bench/figures.toml"))?;
    let toolchain = Toolchain::find(&root)?;
    let machine = Machine::new(&root)?;
    let mut measured = counts::measure(&machine)?;
    measured.extend(stages::measure(&machine)?);
    measured.extend(sizes::measure(&root)?);
    let id = table.toolchain(&toolchain);
    println!("{}", report::text(&table, &measured, &toolchain, id));
    if mode == Mode::Record {
        table.record(&measured, &toolchain)?;
        return Ok(true);
    }
    let Some(id) = id else {
        println!(
            "bench: these figures are not compared: none are recorded for this compiler, LLVM, QEMU and CPU"
        );
        return Ok(true);
    };
    let moved = report::moved(&table, &measured, id);
    for line in &moved {
        eprintln!("bench: {line}");
    }
    println!(
        "bench: {} figures compared with those of {id}, {} moved",
        table.recorded(id).count(),
        moved.len()
    );
    Ok(mode != Mode::Check || moved.is_empty())
}
