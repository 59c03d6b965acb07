//! Neighbours that take what they can get, and the work that a well-behaved process gets done beside them.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond and a run is the same every time, so the
//! figures are exact. The program `fairness` counts; here each line is held against what is fair.
//!
//! Invariant: every neighbour has its line, with a worker that was at work and a neighbour that its own account shows at work.

use super::{Tools, holds, status};
use crate::case::Run;

/// A neighbour, and what has to be seen of it.
struct Neighbour {
    name: &'static str,
    /// Of what the worker does alone its fair part beside it, in hundredths.
    fair: u64,
    /// What its account says of it, and how much of that there is at least: it was no good neighbour.
    took: (&'static str, u64),
}

const fn neighbour(name: &'static str, fair: u64, took: (&'static str, u64)) -> Neighbour {
    Neighbour { name, fair, took }
}

/// The neighbours of the program, in its order.
const NEIGHBOURS: [Neighbour; 11] = [
    neighbour("a busy loop", 50, ("entries", 10)),
    neighbour("a busy loop of three times the weight", 25, ("entries", 20)),
    neighbour("a fork bomb", 50, ("processes", 64)),
    neighbour("a fork bomb that ends its children", 50, ("entries", 5_000)),
    neighbour("a memory hog", 50, ("refused", 5)),
    neighbour("a ring flooder", 50, ("entries", 1_000)),
    neighbour("a timer flooder", 50, ("entries", 4_000)),
    // It fills its table of 12,288 and empties it again, more than once in that time.
    neighbour("a capability flooder", 50, ("entries", 100_000)),
    neighbour("an endpoint flooder at the same server", 50, ("calls", 20_000)),
    neighbour("endpoint flooders of one share at the same server", 50, ("processes", 8)),
    neighbour("an endpoint flooder at a slow server", 50, ("calls", 1_500)),
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
    for (Neighbour { name, fair, took: (what, least) }, line) in NEIGHBOURS.iter().zip(&lines) {
        let (told, figures) = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(": ")?.split_once(" units; "))
            .ok_or_else(|| format!("{name}: the program said {line:?}"))?;
        let (part, units) = told.split_once(" % of ").unwrap_or_default();
        let (part, units): (u64, u64) = (part.parse().unwrap_or(0), units.parse().unwrap_or(0));
        let figure = figures.split(", ").find_map(|figure| figure.strip_suffix(what)?.trim().parse().ok());
        let has_attacked = figure.is_some_and(|figure: u64| figure >= *least);
        holds(has_attacked, &format!("{least} {what} at least: {line}"), &shown)?;
        let is_fair = part.abs_diff(*fair) * 100 <= fair * TOLERANCE;
        holds(is_fair && units >= UNITS, &format!("unfair: {line}"), &shown)?;
    }
    holds(children_end(&shown.log), "the children of who was ended should end with it", &shown)?;
    status(&shown, 0)?;
    Ok(text.trim_end().to_owned())
}

/// True if the eight children of the process that made them for its flood, and ended none of them, ended with it.
fn children_end(log: &str) -> bool {
    let ends: Vec<&str> = log.lines().filter(|line| line.contains(" ring 3 entries ")).collect();
    let Some(parent) = ends.iter().position(|line| line.contains("\"fork callers\": killed(0)")) else {
        return false;
    };
    let before = ends.get(parent.saturating_sub(8)..parent).unwrap_or_default();
    before.len() == 8 && before.iter().all(|line| line.contains("\"child\": killed(0)"))
}
