//! A machine with nothing to do: it halts, and no interrupt comes but the one that ends a sleep.
//!
//! A row of `checks`. QEMU writes down every interrupt and fault, in their order; the program's own page faults mark where a
//! sleep begins and ends. The bench's plugin counts what the processor executes.
//!
//! Invariant: each sleep is one interrupt of the timer, whether it lasts a millisecond or 100 seconds.

use super::stretch::build;
use super::{Tools, holds, status};
use crate::case::Run;

/// Sleeps of the program, without the first, which is not judged.
const NAPS: usize = 3;
/// Nanoseconds of all sleeps.
const SLEPT: u64 = 110_002_000_000;
/// Instructions of the whole run at most: halting is what the processor does during the sleeps.
const EXECUTED: u64 = 5_000_000;
const PAGE: u64 = 4096;
const PAGE_FAULT: u64 = 0x0e;
/// Vectors below are exceptions.
const FIRST_INTERRUPT: u64 = 32;
/// The timer's: `kernel/hal/src/interrupts.rs`.
const TIMER: u64 = 32;

pub(super) fn halts(tools: &Tools<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let at = |name: &str| folder.path().join(name);
    build(&tools.place.root.join("bench/profile/count.c"), &at("count.so"))?;
    let plugin = format!("file={},out={}", at("count.so").display(), at("counted").display());
    let events = at("events").display().to_string();
    let qemu = ["-plugin", &plugin, "-d", "int", "-D", &events].map(str::to_owned).to_vec();
    let shown = tools.show(&tools.place.tests().join("kernel/idle.cue"), &Run { qemu, ..Run::plain() })?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let (Some(pages), Some(end)) = (
        words.get(1).and_then(|word| u64::from_str_radix(word, 16).ok()),
        words.get(3).and_then(|word| word.parse::<u64>().ok()),
    ) else {
        return holds(false, "its line cannot be read", &shown).map(|()| String::new());
    };
    holds(end >= SLEPT, &format!("it slept until {end}"), &shown)?;
    let read = |name| std::fs::read_to_string(at(name)).map_err(|error| format!("{name}: {error}"));
    let sleeps = interrupts_between(&read("events")?, pages + PAGE);
    let expected = vec![vec![TIMER]; NAPS];
    holds(sleeps == expected, &format!("interrupts during the sleeps: {sleeps:?}"), &shown)?;
    let counted = read("counted")?;
    let executed = counted.lines().find_map(|line| line.strip_prefix("total ")?.parse::<u64>().ok());
    let executed = executed.ok_or("the plugin counted nothing")?;
    holds(executed <= EXECUTED, &format!("{executed} instructions were executed"), &shown)?;
    Ok(format!("{NAPS} sleeps, an interrupt each; {executed} instructions in {end} ns"))
}

/// The vectors of the interrupts between the first touches of the pages from `start` on, for each pair of neighbours.
fn interrupts_between(events: &str, start: u64) -> Vec<Vec<u64>> {
    let mut between: Vec<Vec<u64>> = Vec::new();
    let mut marks = 0;
    for event in events.lines().filter_map(event) {
        match event {
            (PAGE_FAULT, Some(address)) if address == start + marks * PAGE => {
                marks += 1;
                between.push(Vec::new());
            }
            (vector, _) if vector >= FIRST_INTERRUPT => {
                if let Some(last) = between.last_mut() {
                    last.push(vector);
                }
            }
            _ => {}
        }
    }
    // What came behind the last touch is the end of the run.
    between.pop();
    between
}

/// The vector of a line that tells of an interrupt or fault, and the address of a page fault.
fn event(line: &str) -> Option<(u64, Option<u64>)> {
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let vector = u64::from_str_radix(field("v=")?, 16).ok()?;
    Some((vector, field("CR2=").and_then(|address| u64::from_str_radix(address, 16).ok())))
}

#[cfg(test)]
mod tests {
    use super::interrupts_between;

    #[test]
    fn interrupts_are_counted_between_marks() {
        let line =
            |vector: &str, rest: &str| format!("  1: v={vector} e=0000 i=0 cpl=0 IP=0008:1 {rest}\nRAX=0\n");
        let mark = |address: u64| line("0e", &format!("CR2={address:016x}"));
        let timer = line("20", "env->regs[R_EAX]=0");
        let events = [&timer, &mark(0x5000), &timer, &mark(0x9000), &mark(0x6000), &mark(0x7000), &timer]
            .map(String::as_str)
            .concat();
        assert_eq!(interrupts_between(&events, 0x5000), [vec![0x20], vec![]]);
    }
}
