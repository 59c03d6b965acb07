//! The lines about cells that do not run: by reason, each cell by name.
//!
//! Called by `main` before anything runs.
//!
//! Invariant: every cell is in exactly one line, under its reason.

use crate::matrix::Cell;

/// Columns of a line.
const WIDTH: usize = 118;

/// A line for each reason, and under it the names.
pub(crate) fn lines(skipped: &[(Cell, String)]) -> Vec<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for (_, reason) in skipped {
        if !reasons.contains(&reason.as_str()) {
            reasons.push(reason);
        }
    }
    let mut lines = Vec::new();
    for reason in reasons {
        let cells: Vec<String> =
            skipped.iter().filter(|(_, its)| its == reason).map(|(cell, _)| cell.to_string()).collect();
        lines.push(format!("skip  {} cells: {reason}", cells.len()));
        lines.extend(filled(&cells));
    }
    lines
}

/// The names, as many on a line as fit.
fn filled(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut().filter(|line| line.len() + 1 + name.len() <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(name);
            }
            None => lines.push(format!("skip      {name}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::{Accelerator, Build, Machine, Mode, Setting};

    #[test]
    fn every_cell_is_named_under_its_reason() {
        let cell = |suite: &str, processors| Cell {
            suite: suite.to_owned(),
            setting: Setting {
                machine: Machine::Q35,
                processors,
                mode: Mode::Plain,
                accelerator: Accelerator::Kvm,
                build: Build::Debug,
            },
        };
        let skipped = [
            (cell("one", 1), "slow".to_owned()),
            (cell("one", 2), "absent".to_owned()),
            (cell("two", 1), "slow".to_owned()),
            (cell(&"x".repeat(80), 1), "slow".to_owned()),
        ];
        assert_eq!(
            lines(&skipped),
            [
                "skip  3 cells: slow",
                "skip      one-q35-1-plain-kvm-debug two-q35-1-plain-kvm-debug",
                &format!("skip      {}-q35-1-plain-kvm-debug", "x".repeat(80)),
                "skip  1 cells: absent",
                "skip      one-q35-2-plain-kvm-debug",
            ]
        );
    }
}
