//! `capos-bench`: counts what the system costs, in instructions, and holds the counts against the recorded figures.
//!
//! Started by `make bench` (prints; with `--record` it writes the counts of this toolchain into the table), `make
//! bench-check` (fails on a move), `make bench-reference` (counts Linux) and `make profile` (instructions by function). Runs the real `capos` command.
//!
//! Invariant: counts are exact: under QEMU's instruction clock, with a fixed seed and start of time, the same code gives the
//! same numbers. Where the host's answers come in between (console, random source), the least of several runs counts; no figure
//! depends on the time that anything takes here.
#![forbid(unsafe_code)]

mod archive;
mod counts;
mod interrupt;
mod kernels;
mod machine;
mod memory;
mod page;
mod plot;
mod profile;
mod reference;
mod report;
mod sizes;
mod stages;
mod stretch;
mod symbols;
mod table;
mod toolchain;
mod wall;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use machine::Machine;
use reference::Reference;
use table::Table;
use toolchain::Toolchain;

/// Counts by the name of their figure.
pub(crate) type Counts = BTreeMap<String, f64>;

const USAGE: &str = "usage: capos-bench bench [--record] | bench-check [--must-compare] | bench-reference |
    bench-report [--check] | bench-wall [--record] | profile [WHAT-CAPOS-RUN-TAKES]...";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bench"] => bench(Mode::Print),
        ["bench", "--record"] => bench(Mode::Record),
        ["bench-check"] => bench(Mode::Check { must_compare: false }),
        ["bench-check", "--must-compare"] => bench(Mode::Check { must_compare: true }),
        ["bench-reference"] => reference::rebuild(&root()).map(|()| true),
        ["bench-report"] => page::report(&root(), false).map(|()| true),
        ["bench-report", "--check"] => page::report(&root(), true).map(|()| true),
        ["bench-wall"] => wall::measure(&root(), false).map(|()| true),
        ["bench-wall", "--record"] => wall::measure(&root(), true).map(|()| true),
        ["profile"] => profile::profile(&root(), &["bench/counts.cue"]).map(|()| true),
        ["profile", words @ ..] => profile::profile(&root(), words).map(|()| true),
        _ => Err(USAGE.to_owned()),
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
    /// Fails on a move; `must_compare`: also if nothing is recorded for this toolchain, so that the gate did not run.
    Check {
        must_compare: bool,
    },
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
    let reference = Reference::read(&root)?;
    let machine = Machine::new(&root)?;
    let mut measured = counts::measure(&machine)?;
    measured.extend(stages::measure(&machine)?);
    measured.extend(kernels::measure(&machine)?);
    measured.extend(stretch::measure(&machine)?);
    measured.extend(interrupt::measure(&machine)?);
    measured.extend(sizes::measure(&root)?);
    let id = table.toolchain(&toolchain);
    table.check_references(&reference)?;
    println!("{}", report::text(&table, &reference, &measured, &toolchain, id));
    if mode == Mode::Record {
        table.record(&measured, &toolchain)?;
        // The page shows what is recorded.
        return page::report(&root, false).map(|()| true);
    }
    Ok(judge(mode, id.map(|id| (id, report::complaints(&table, &measured, id))), measured.len()))
}

/// Says how the comparison came out, with the complaints for a toolchain that the table knows; false if the verb fails.
fn judge(mode: Mode, compared: Option<(&str, Vec<String>)>, count: usize) -> bool {
    let Some((id, complaints)) = compared else {
        println!(
            "bench: {count} figures are not compared: none are recorded for this compiler, LLVM, QEMU and CPU"
        );
        return mode != Mode::Check { must_compare: true };
    };
    for line in &complaints {
        eprintln!("bench: {line}");
    }
    println!("bench: {count} figures compared with those of {id}, {} complaints", complaints.len());
    !matches!(mode, Mode::Check { .. }) || complaints.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_closes_on_a_complaint_and_where_it_must_on_an_unknown_toolchain() {
        let check = |must_compare| Mode::Check { must_compare };
        let complaint = || Some(("t", vec!["a: moved".to_owned()]));
        assert!(judge(check(true), Some(("t", Vec::new())), 1));
        assert!(!judge(check(false), complaint(), 1));
        assert!(judge(Mode::Print, complaint(), 1));
        assert!(judge(check(false), None, 1));
        assert!(!judge(check(true), None, 1));
    }
}
