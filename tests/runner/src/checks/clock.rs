//! The monotonic clock against the instruction clock.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond, so a counted loop has a known length.
//!
//! Invariant: the loop is long enough that what surrounds it is far below one percent.

use super::{Tools, holds, status};
use crate::case::Run;

/// What may be wrong, in thousandths.
const TOLERANCE: u64 = 10;

pub(super) fn instructions(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/clock.cue"), &Run::plain())?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    for line in text.lines() {
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [instructions, nanoseconds] = numbers[..] else {
            return holds(false, &format!("this line cannot be read: {line}"), &shown)
                .map(|()| String::new());
        };
        let wrong = nanoseconds.abs_diff(instructions) * 1000 / instructions;
        holds(wrong <= TOLERANCE, line, &shown)?;
    }
    holds(text.lines().count() == 3, "three lines were expected", &shown)?;
    Ok(text.trim_end().replace('\n', "; "))
}
