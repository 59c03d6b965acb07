//! What is printed: the table with what was measured, and what has moved.
//!
//! Called by `main`.
//!
//! Invariant: every figure of the table is in the text, measured or not.

use std::fmt::Write;

use crate::Counts;
use crate::table::Table;
use crate::toolchain::Toolchain;

/// A count that differs by more than this share from the recorded one has moved.
const TOLERANCE: f64 = 0.02;

/// The whole table.
pub(crate) fn text(table: &Table, counts: &Counts, toolchain: &Toolchain, id: Option<&str>) -> String {
    let mut out = String::new();
    let Toolchain { rustc, llvm, qemu, cpu } = toolchain;
    let _ = writeln!(out, "{rustc}, LLVM {llvm}\n{qemu}, -cpu {cpu}, instruction clock\n");
    let _ = writeln!(
        out,
        "{:28} {:>12} {:>12} {:>10}  unit; what; Linux",
        "figure", "measured", "recorded", "aim"
    );
    for figure in &table.figures {
        let number = |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.0}"));
        let measured = number(counts.get(&figure.name).copied());
        let recorded = number(id.and_then(|id| figure.recorded.get(id).copied()));
        let aim = number(figure.aim);
        let linux = figure.linux.as_deref().map_or(String::new(), |linux| format!("; Linux: {linux}"));
        let about = format!("{}; {}{linux}", figure.unit, figure.about);
        let _ = writeln!(out, "{:28} {measured:>12} {recorded:>12} {aim:>10}  {about}", figure.name);
    }
    out
}

/// A line for each recorded figure that was not measured or is more than the tolerance away.
pub(crate) fn moved(table: &Table, counts: &Counts, id: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (figure, recorded) in table.recorded(id) {
        let name = &figure.name;
        match counts.get(name) {
            None => lines.push(format!("{name}: recorded {recorded:.0}, and not measured any more")),
            Some(count) if (count - recorded).abs() > recorded * TOLERANCE => {
                let change = (count / recorded - 1.0) * 100.0;
                lines.push(format!(
                    "{name}: recorded {recorded:.0}, now {count:.0} ({change:+.1} %): find out why, and record the new \
                     figure with its reason in the same commit (bench/README.md)"
                ));
            }
            Some(_) => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_of_more_than_two_percent_either_way_is_told() {
        let text = "[toolchain]\n[[figure]]\nname = \"a\"\nunit = \"instructions\"\nabout = \"x\"\nrecorded.t = 100\n";
        let path = std::env::temp_dir().join(format!("capos-bench-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let table = Table::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let moved = |count: f64| moved(&table, &Counts::from([("a".to_owned(), count)]), "t").len();
        assert_eq!([97.9, 98.0, 100.0, 102.0, 102.1].map(moved), [1, 0, 0, 0, 1]);
        assert_eq!(super::moved(&table, &Counts::new(), "t").len(), 1);
    }
}
