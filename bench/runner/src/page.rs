//! The page of figures in the book, with its plots: what is recorded, ours beside Linux's.
//!
//! Called by `main` for `make bench-report`, and with `--check` by `cargo check-capos generated`; calls `plot`.
//!
//! Invariant: page and plots follow from the three recorded files alone, byte for byte. Nothing is measured here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::plot::{self, Pair, grouped};
use crate::reference::Reference;
use crate::table::{Figure, Table};
use crate::wall::Wall;

const FOLDER: &str = "docs/book";
const PAGE: &str = "figures.md";
/// The toolchain that the page shows: the pinned one, on which the gate runs.
const TOOLCHAIN: &str = "rustup";
/// The plots: file, title, and which figures they show, by the beginning of their names.
const PLOTS: [(&str, &str, &[&str]); 3] = [
    ("figures-kernels.svg", "A round of a WebAssembly kernel, with fuel", &["kernel-"]),
    (
        "figures-programs.svg",
        "A WebAssembly program: boot, and from its start to its end",
        &["empty-", "hello-"],
    ),
    ("figures-operations.svg", "Single operations", &[""]),
];

/// Writes the page and its plots, or with `is_check` compares them with what is there.
///
/// # Errors
/// A record cannot be read; or a file differs, with `is_check`, or cannot be written.
pub(crate) fn report(root: &Path, is_check: bool) -> Result<(), String> {
    let table = Table::read(&root.join("bench/figures.toml"))?;
    let reference = Reference::read(root)?;
    table.check_references(&reference)?;
    let wall = Wall::read(root)?;
    for (name, contents) in files(&table, &reference, wall.as_ref())? {
        let path = root.join(FOLDER).join(&name);
        if fs::read_to_string(&path).is_ok_and(|present| present == contents) {
            continue;
        }
        if is_check {
            return Err(format!(
                "{FOLDER}/{name} is not what the recorded figures say; `make bench-report` writes it"
            ));
        }
        fs::write(&path, contents).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// All files, by name.
fn files(
    table: &Table,
    reference: &Reference,
    wall: Option<&Wall>,
) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut left: Vec<&Figure> = table.figures.iter().collect();
    let mut images = String::new();
    for (file, title, names) in PLOTS {
        let (shown, rest) =
            left.into_iter().partition(|figure| names.iter().any(|name| figure.name.starts_with(name)));
        left = rest;
        let shown: Vec<&Figure> = shown;
        let pairs: Vec<Pair> = shown.iter().filter_map(|figure| pair(figure, reference)).collect();
        if pairs.is_empty() {
            continue;
        }
        files.insert(file.to_owned(), plot::bars(title, &pairs)?);
        let _ = writeln!(images, "![{title}]({file})\n");
    }
    files.insert(PAGE.to_owned(), page(table, reference, wall, &images));
    Ok(files)
}

fn pair(figure: &Figure, reference: &Reference) -> Option<Pair> {
    let ours = *figure.recorded.get(TOOLCHAIN)?;
    Some(Pair { name: figure.name.clone(), ours, linux: figure.linux_count(reference)? })
}

const INTRODUCTION: &str = "<!-- Written by `make bench-report` from bench/figures.toml, bench/reference/results.toml and bench/wall.toml. -->
# Figures

What capOS costs, beside Linux under the same clock. [Measuring](measuring.md) says how these come about, how to read them
and how to record them. A count is instructions of the guest machine: exact, and the same in every run.

";

fn page(table: &Table, reference: &Reference, wall: Option<&Wall>, images: &str) -> String {
    let mut out = INTRODUCTION.to_owned();
    if let Some(toolchain) = table.toolchains().get(TOOLCHAIN) {
        let _ = writeln!(
            out,
            "Recorded with {}, LLVM {}, {}, `-cpu {}`.\n",
            toolchain.rustc, toolchain.llvm, toolchain.qemu, toolchain.cpu
        );
    }
    out.push_str(images);
    out.push_str(
        "## All figures\n\nShare: ours as a share of Linux's. A figure above its aim is marked.\n\n",
    );
    out.push_str("| figure | recorded | aim | Linux | share | what |\n|---|---:|---:|---:|---:|---|\n");
    for figure in &table.figures {
        row(&mut out, figure, reference);
    }
    out.push_str("\n## What they go into\n\n");
    for (figure, reason) in table.figures.iter().filter_map(|figure| Some((figure, figure.reason.as_ref()?)))
    {
        let _ = writeln!(out, "- **{}**: {reason}.", figure.name);
    }
    if let Some(wall) = wall {
        whole_run(&mut out, wall);
    }
    linux(&mut out, reference);
    out
}

fn row(out: &mut String, figure: &Figure, reference: &Reference) {
    let number = |count: Option<f64>| count.map_or(String::new(), grouped);
    let (ours, linux, aim) =
        (figure.recorded.get(TOOLCHAIN).copied(), figure.linux_count(reference), figure.aim(reference));
    let is_above = ours.zip(aim).is_some_and(|(ours, aim)| ours > aim);
    let share = ours.zip(linux).map_or(String::new(), |(ours, linux)| format!("{:.3}", ours / linux));
    let words = figure.linux.as_ref().map_or(String::new(), |words| format!(" (Linux: {words})"));
    let mark = if is_above { " above" } else { "" };
    let _ = writeln!(
        out,
        "| {} | {} | {}{mark} | {} | {share} | {}; {}{words} |",
        figure.name,
        number(ours),
        number(aim),
        number(linux),
        figure.unit,
        figure.about
    );
}

fn whole_run(out: &mut String, wall: &Wall) {
    let condition = |name: &str| wall.conditions.get(name).map_or("?", String::as_str);
    let (least, median) = wall.above();
    let _ = write!(
        out,
        "\n## A whole run by the clock on the wall\n\n`capos run hello.wasm` as `make dist` ships it, beside QEMU with a guest \
         that ends at once, {} runs of each in turns, on {} ({}, {}, {}; load {} before). Milliseconds; not gated. The aim is \
         60 above the empty guest.\n\n| | least | median |\n|---|---:|---:|\n| `capos run` | {} | {} |\n| empty guest | {} | {} \
         |\n| above it | {least:.1} | {median:.1} |\n",
        condition("runs"),
        condition("host"),
        condition("machine"),
        condition("accelerator"),
        condition("qemu"),
        condition("load"),
        wall.capos.min,
        wall.capos.median,
        wall.empty.min,
        wall.empty.median,
    );
}

fn linux(out: &mut String, reference: &Reference) {
    out.push_str("\n## Linux\n\nRebuilt and counted by `make bench-reference`.\n\n| with | |\n|---|---|\n");
    for (role, what) in &reference.conditions {
        let _ = writeln!(out, "| {role} | {what} |");
    }
    out.push_str("\n| result | instructions |\n|---|---:|\n");
    for (name, count) in &reference.results {
        let _ = writeln!(out, "| {name} | {} |", grouped(*count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "[toolchain.rustup]\nrustc = \"r\"\nllvm = \"l\"\nqemu = \"q\"\ncpu = \"c\"\n\
        [[figure]]\nname = \"spawn\"\nunit = \"instructions\"\nabout = \"x\"\nreference = \"posix\"\naim = 1000\n\
        recorded.rustup = 2000\nreason = \"the split\"\n";

    #[test]
    fn page_and_plot_show_the_records_and_are_the_same_each_time() {
        let table = Table::parse("t".into(), TABLE.to_owned()).unwrap();
        let results = BTreeMap::from([("posix".to_owned(), 4000.0)]);
        let reference = Reference { conditions: BTreeMap::new(), results };
        let made = files(&table, &reference, None).unwrap();
        assert_eq!(made.keys().collect::<Vec<_>>(), ["figures-operations.svg", "figures.md"]);
        assert!(
            made["figures.md"].contains("| spawn | 2,000 | 1,000 above | 4,000 | 0.500 | instructions; x |")
        );
        assert!(made["figures.md"].contains("- **spawn**: the split."));
        assert_eq!(made, files(&table, &reference, None).unwrap());
    }
}
