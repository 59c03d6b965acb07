//! What is printed: the table with what was measured, and what keeps the gate shut.
//!
//! Called by `main`.
//!
//! Invariant: every figure of the table is in the text, measured or not.

use std::fmt::Write;

use crate::Counts;
use crate::reference::Reference;
use crate::table::Table;
use crate::toolchain::Toolchain;

/// A count that differs by more than this share from the recorded one has moved.
const TOLERANCE: f64 = 0.02;

/// The whole table.
pub(crate) fn text(
    table: &Table,
    reference: &Reference,
    counts: &Counts,
    toolchain: &Toolchain,
    id: Option<&str>,
) -> String {
    let mut out = String::new();
    let Toolchain { rustc, llvm, qemu, cpu } = toolchain;
    let _ = writeln!(out, "{rustc}, LLVM {llvm}\n{qemu}, -cpu {cpu}, instruction clock\n");
    let _ = writeln!(
        out,
        "{:28} {:>12} {:>12} {:>10} {:>12} {:>6}  unit; what; Linux",
        "figure", "measured", "recorded", "aim", "Linux", "share"
    );
    for figure in &table.figures {
        let number = |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.0}"));
        let measured = number(counts.get(&figure.name).copied());
        let recorded = number(id.and_then(|id| figure.recorded.get(id).copied()));
        let (aim, linux_count) = (number(figure.aim(reference)), figure.linux_count(reference));
        let share = counts.get(&figure.name).zip(linux_count).map(|(count, linux)| count / linux);
        let share = share.map_or("-".to_owned(), |share| format!("{share:.3}"));
        let linux = figure.linux.as_deref().map_or(String::new(), |linux| format!("; Linux: {linux}"));
        let about = format!("{}; {}{linux}", figure.unit, figure.about);
        let linux = number(linux_count);
        let numbers = format!("{measured:>12} {recorded:>12} {aim:>10} {linux:>12} {share:>6}");
        let _ = writeln!(out, "{:28} {numbers}  {about}", figure.name);
    }
    out
}

/// What keeps the gate shut: a line for each figure that has moved by more than the tolerance, that is recorded and was not
/// measured, that was measured and is not recorded for this toolchain, or that the table does not name at all.
pub(crate) fn complaints(table: &Table, counts: &Counts, id: &str) -> Vec<String> {
    let known = table.figures.iter().filter_map(|figure| {
        let name = &figure.name;
        match (figure.recorded.get(id), counts.get(name)) {
            (None, None) => None,
            (Some(recorded), None) => {
                Some(format!("{name}: recorded {recorded:.0}, and not measured any more"))
            }
            (None, Some(count)) => {
                Some(format!("{name}: {count:.0}, and nothing is recorded for {id}: record it"))
            }
            (Some(recorded), Some(count)) => moved(name, *recorded, *count),
        }
    });
    let is_named = |name: &str| table.figures.iter().any(|figure| figure.name == name);
    let unnamed = counts.iter().filter(|(name, _)| !is_named(name));
    known
        .chain(unnamed.map(|(name, count)| format!("{name}: {count:.0}, and the table has no such figure")))
        .collect()
}

/// What is said of a count that is further from the recorded one than the tolerance.
fn moved(name: &str, recorded: f64, count: f64) -> Option<String> {
    let change = (count / recorded - 1.0) * 100.0;
    let is_near = (count - recorded).abs() <= recorded.abs() * TOLERANCE;
    (!is_near).then(|| {
        format!(
            "{name}: recorded {recorded:.0}, now {count:.0} ({change:+.1} %): find out why, and record the new figure \
             with its reason in the same commit (bench/README.md)"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TABLE: &str = "[toolchain.t]\nrustc = \"r\"\nllvm = \"l\"\nqemu = \"q\"\ncpu = \"c\"\n\
        [[figure]]\nname = \"a\"\nunit = \"instructions\"\nabout = \"x\"\nreference = \"r\"\n\
        aim_ratio = 0.4\nrecorded.t = 100\n";

    fn table() -> Table {
        Table::parse("table".into(), TABLE.to_owned()).unwrap()
    }

    fn told(counts: &[(&str, f64)], id: &str) -> Vec<String> {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        complaints(&table(), &counts, id)
    }

    #[test]
    fn a_move_of_more_than_two_percent_either_way_is_told() {
        assert_eq!(
            [97.9, 98.0, 100.0, 102.0, 102.1].map(|count| told(&[("a", count)], "t").len()),
            [1, 0, 0, 0, 1]
        );
        let lines = told(&[("a", 150.0)], "t");
        assert!(lines[0].starts_with("a: recorded 100, now 150 (+50.0 %): "), "{lines:?}");
    }

    #[test]
    fn a_count_that_is_no_number_has_moved() {
        assert_eq!(told(&[("a", f64::NAN)], "t").len(), 1);
    }

    #[test]
    fn what_is_missing_on_either_side_is_told() {
        assert_eq!(told(&[], "t"), ["a: recorded 100, and not measured any more"]);
        assert_eq!(told(&[("a", 100.0)], "other"), ["a: 100, and nothing is recorded for other: record it"]);
        assert_eq!(told(&[("a", 100.0), ("b", 5.0)], "t"), ["b: 5, and the table has no such figure"]);
        assert!(told(&[], "other").is_empty());
    }

    #[test]
    fn the_text_has_every_figure_with_and_without_a_known_toolchain() {
        let toolchain = Toolchain { rustc: "r".into(), llvm: "l".into(), qemu: "q".into(), cpu: "c".into() };
        let counts = Counts::from([("a".to_owned(), 101.0)]);
        let reference =
            Reference { conditions: BTreeMap::new(), results: BTreeMap::from([("r".to_owned(), 202.0)]) };
        let line =
            |id| text(&table(), &reference, &counts, &toolchain, id).lines().last().unwrap().to_owned();
        let words = |line: &str| line.split_whitespace().take(6).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&line(Some("t"))), ["a", "101", "100", "81", "202", "0.500"]);
        assert_eq!(words(&line(None)), ["a", "101", "-", "81", "202", "0.500"]);
    }
}
