//! Neighbours that take what they can get, and the work that a well-behaved process gets done beside them.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond and a run is the same every time, so the
//! figures are exact. The program `fairness` counts; here each line is held against what is fair.
//!
//! Invariant: every neighbour has its line, with a worker that was at work.

use super::{Tools, holds, status};
use crate::case::Run;

/// The neighbours of the program, in its order, and of what the worker does alone its fair part beside each, in hundredths.
const NEIGHBOURS: [(&str, u64); 9] = [
    ("a busy loop", 50),
    ("a busy loop of three times the weight", 25),
    ("a fork bomb", 50),
    ("a fork bomb that ends its children", 50),
    ("a memory hog", 50),
    ("a ring flooder", 50),
    ("a timer flooder", 50),
    ("a capability flooder", 50),
    ("an endpoint flooder at the same server", 50),
];
/// How far from its fair part a worker's may be, in hundredths of that: less is unfair to it, and more to the neighbour.
const TOLERANCE: u64 = 10;
/// Units that a worker does alone at least, or nothing was measured.
const UNITS: u64 = 1000;

pub(super) fn neighbours(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/fairness.cue"), &Run::plain())?;
    let text = shown.stdout_text();
    let lines: Vec<&str> = text.lines().collect();
    holds(lines.len() == NEIGHBOURS.len(), "a neighbour is missing", &shown)?;
    for ((name, fair), line) in NEIGHBOURS.iter().zip(&lines) {
        let (part, units) = line
            .strip_prefix(*name)
            .and_then(|rest| rest.strip_prefix(": ")?.strip_suffix(" units")?.split_once(" % of "))
            .ok_or_else(|| format!("{name}: the program said {line:?}"))?;
        let (part, units): (u64, u64) = (part.parse().unwrap_or(0), units.parse().unwrap_or(0));
        let is_fair = part.abs_diff(*fair) * 100 <= fair * TOLERANCE;
        holds(is_fair && units >= UNITS, &format!("unfair: {line}"), &shown)?;
    }
    status(&shown, 0)?;
    Ok(text.trim_end().to_owned())
}
