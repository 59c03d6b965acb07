//! How long ring 0 keeps a timer waiting.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond, so the figures are exact.
//!
//! Invariant: the work that must not keep others waiting was done, all of it, and in many pieces.

use super::{Tools, holds, status};
use crate::case::Run;

/// Instructions of the longest stretch, with what it costs to wake a thread behind it.
const WORST: u64 = 50_000;
/// What the program revokes.
const DESCENDANTS: u64 = 10_000;
/// Sleeps that it has in flight below.
const SLEEPS: u64 = 8;

pub(super) fn revocation(tools: &Tools<'_>) -> Result<String, String> {
    let file = tools.place.tests().join("kernel/stretch.cue");
    let shown = tools.show(&file, &Run::plain())?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [dead, sleeps, naps, worst, _] = numbers[..] else {
        return holds(false, &format!("this line cannot be read: {text}"), &shown).map(|()| String::new());
    };
    holds(dead == DESCENDANTS && sleeps == SLEEPS, &format!("not all has ended: {text}"), &shown)?;
    holds(naps >= 100, &format!("it was one piece: {text}"), &shown)?;
    holds(worst <= WORST, &format!("a timer waited: {text}"), &shown)?;
    Ok(text.trim_end().to_owned())
}
