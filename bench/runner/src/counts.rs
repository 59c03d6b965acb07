//! Costs of single operations, counted by the program `counts` inside the machine.
//!
//! Called by `main`; boots `bench/counts.cue`.
//!
//! Invariant: a cost is the difference between 2N and N operations, divided by N.

use std::path::Path;

use crate::Counts;
use crate::machine::{Counters, Machine, Mark, TALLY};
use crate::memory;
use crate::symbols::Program;

/// The process of the program `counts` that has nothing but what every process has.
const LEAST: &str = "first";
/// Figures that are split by ring, and whose events are counted.
const SPLIT: &str = "call-";
/// The function of the program `counts` that is called at both ends of what is counted.
const EDGE: &str = "4edge";
/// Where memory is allocated: in the kernel's heap, as a frame, and in the heaps of both programs.
const ALLOCATIONS: [(&str, &str); 4] = [
    ("lib/capos/kernel", "18allocate_first_fit"),
    ("lib/capos/kernel", "5Frame3new"),
    ("tests/counts", "5State8allocate"),
    ("tests/echo", "5State8allocate"),
];

/// Boots the program and reads its lines.
///
/// # Errors
/// It does not run, or says something else.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let ran = machine.run(&["bench/counts.cue"], &marks()?, false)?;
    let edges: Vec<Counters> = ran.counters.iter().map(|(_, counters)| *counters).collect();
    let mut edges = edges.as_chunks::<4>().0.iter();
    let mut counts = Counts::new();
    for line in ran.stdout.lines() {
        let told = || format!("counts said: {line}");
        if let Some(line) = line.strip_prefix("split ") {
            let (name, times) = line.split_once(' ').ok_or_else(told)?;
            let edges = edges.next().ok_or_else(told)?;
            if name.starts_with(SPLIT) {
                split(&mut counts, name, times.parse().map_err(|_| told())?, edges);
            }
        } else {
            counts.extend([cost(line).ok_or_else(told)?]);
        }
    }
    let least =
        memory::of_first(&ran.log, LEAST).ok_or_else(|| format!("the log has no end of \"{LEAST}\""))?;
    counts.insert("process-kernel-memory".to_owned(), least.kernel_bytes as f64);
    Ok(counts)
}

fn marks() -> Result<Vec<Mark>, String> {
    let found = |name, program: &str, function: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/capos").join(program);
        let program = Program::read(path.with_extension("elf.debug"))?;
        let address = program.function(function).ok_or_else(|| format!("no function {function}"))?;
        Ok(Mark { name, address, code: program.code(address) })
    };
    let edge = found("edge", "tests/counts", EDGE);
    let allocations = ALLOCATIONS.map(|(program, function)| found(TALLY, program, function));
    [edge].into_iter().chain(allocations).collect()
}

/// What one of N operations took, from the counters at the start and the end of N, and of 2N.
fn split(counts: &mut Counts, name: &str, times: f64, edges: &[Counters; 4]) {
    let cost = |counter: fn(&Counters) -> u64| {
        let [start, end, start_of_twice, end_of_twice] = edges.each_ref().map(|edge| counter(edge) as f64);
        ((end_of_twice - start_of_twice) - (end - start)) / times
    };
    // What happens once in all of them is the clock's, and none of theirs; the sum makes a zero of what is just below.
    let times_each = |counter| cost(counter).round() + 0.0;
    let rows = [
        ("ring-0", cost(|at| at.ring_0)),
        ("ring-3", cost(|at| at.total - at.ring_0)),
        ("switches", times_each(|at| at.switches)),
        ("system-calls", times_each(|at| at.system_calls)),
        ("faults", times_each(|at| at.returns)),
        ("allocations", times_each(|at| at.tallies)),
    ];
    counts.extend(rows.map(|(what, cost)| (format!("{name}-{what}"), cost)));
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
    use super::{Counters, Counts, cost, split};

    #[test]
    fn a_split_is_the_difference_of_differences() {
        let at = |total, ring_0, switches| Counters {
            total,
            ring_0,
            tallies: 7,
            system_calls: 0,
            switches,
            returns: 0,
        };
        let mut counts = Counts::new();
        split(&mut counts, "x", 10.0, &[at(5, 5, 0), at(115, 65, 20), at(200, 70, 20), at(400, 180, 60)]);
        let of = |what: &str| counts.get(what).copied();
        assert_eq!((of("x-ring-0"), of("x-ring-3")), (Some(5.0), Some(4.0)));
        assert_eq!((of("x-switches"), of("x-allocations")), (Some(2.0), Some(0.0)));
    }

    #[test]
    fn the_cost_is_the_difference() {
        assert_eq!(cost("count null-enter 10 2001 3901"), Some(("null-enter".to_owned(), 190.0)));
        assert_eq!(cost("counts null-enter 10 2001 3901"), None);
        assert_eq!(cost("count null-enter 10 2001"), None);
    }
}
