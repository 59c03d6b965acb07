//! Costs of single operations, counted by the program `counts` inside the machine.
//!
//! Called by `main`; boots `bench/counts.cue`.
//!
//! Invariant: a cost is the difference between 2N and N operations, divided by N.

use crate::Counts;
use crate::machine::Machine;
use crate::memory;

/// The process of the program `counts` that has nothing but what every process has.
const LEAST: &str = "first";

/// Boots the program and reads its lines.
///
/// # Errors
/// It does not run, or says something else.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let ran = machine.run(&["bench/counts.cue"], &[], false)?;
    let costs = ran.stdout.lines().map(|line| cost(line).ok_or_else(|| format!("counts said: {line}")));
    let mut counts: Counts = costs.collect::<Result<_, _>>()?;
    let least =
        memory::of_first(&ran.log, LEAST).ok_or_else(|| format!("the log has no end of \"{LEAST}\""))?;
    counts.insert("process-kernel-memory".to_owned(), least.kernel_bytes as f64);
    Ok(counts)
}

/// The name and the cost of a line `count NAME N TICKS TICKS-OF-2N`.
fn cost(line: &str) -> Option<(String, f64)> {
    let mut words = line.split(' ');
    let name = words.next().filter(|word| *word == "count").and_then(|_| words.next())?;
    let mut number = || words.next()?.parse::<f64>().ok();
    let (times, once, twice) = (number()?, number()?, number()?);
    Some((name.to_owned(), (twice - once) / times))
}

#[cfg(test)]
mod tests {
    use super::cost;

    #[test]
    fn the_cost_is_the_difference() {
        assert_eq!(cost("count null-enter 10 2001 3901"), Some(("null-enter".to_owned(), 190.0)));
        assert_eq!(cost("counts null-enter 10 2001 3901"), None);
        assert_eq!(cost("count null-enter 10 2001"), None);
    }
}
