//! Neighbours that take what they can get, and the work that a well-behaved process gets done beside them.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond and a run is the same every time, so the
//! figures are exact. The program `fairness` counts; here each line is held against what is fair.
//!
//! Invariant: every neighbour has its line, with a worker that was at work.

use super::{Tools, holds, status};
use crate::case::Run;

/// The neighbours of the program, in its order.
const NEIGHBOURS: [&str; 8] = [
    "a busy loop",
    "a fork bomb",
    "a fork bomb that ends its children",
    "a memory hog",
    "a ring flooder",
    "a timer flooder",
    "a capability flooder",
    "an endpoint flooder at the same server",
];
/// Of what the worker does alone, in hundredths: its fair share is a half, and this is within a tenth of that.
const LEAST: u64 = 45;
/// Units that a worker does alone at least, or nothing was measured.
const UNITS: u64 = 1000;

pub(super) fn neighbours(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/fairness.cue"), &Run::plain())?;
    let text = shown.stdout_text();
    let lines: Vec<&str> = text.lines().collect();
    holds(lines.len() == NEIGHBOURS.len(), "a neighbour is missing", &shown)?;
    for (name, line) in NEIGHBOURS.iter().zip(&lines) {
        let (part, units) = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(": ")?.strip_suffix(" units")?.split_once(" % of "))
            .ok_or_else(|| format!("{name}: the program said {line:?}"))?;
        let (part, units): (u64, u64) = (part.parse().unwrap_or(0), units.parse().unwrap_or(0));
        holds(part >= LEAST && units >= UNITS, &format!("unfair: {line}"), &shown)?;
    }
    status(&shown, 0)?;
    Ok(text.trim_end().to_owned())
}
