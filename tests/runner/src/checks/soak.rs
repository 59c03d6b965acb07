//! A long life: many processes, many calls, and nothing of them left.
//!
//! A row of `checks`. Boots the manifest `soak.cue`.
//!
//! Invariant: it passes only if all spawns and calls were made, and the frames, slots, nodes and heap bytes that were free
//! before them are free behind them, each to the last one.

use capos_kernel_suite::soak;

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch;

/// Seconds: on a machine with nothing else to do it takes a tenth.
const PATIENCE: u64 = 600;

pub(super) fn spawns_and_calls(tools: &Tools<'_>) -> Result<String, String> {
    let run = Run { timeout: PATIENCE, ..Run::plain() };
    let shown = tools.show(&tools.place.tests().join("kernel/soak.cue"), &run)?;
    status(&shown, 0)?;
    let expected = format!("spawns {} calls {}\n", soak::spawns(), soak::calls());
    holds(shown.stdout_text() == expected, &format!("expected {expected:?}"), &shown)?;
    let records = ends(&shown.log)?;
    let markers: Vec<(u64, [u64; 3])> = records
        .iter()
        .filter(|end| end.name == "marker")
        .map(|end| (end.free_frames, end.free_others))
        .collect();
    let is_equal = markers.len() == 2 && markers[0] == markers[1];
    holds(is_equal, &format!("free before and behind: {markers:?}"), &shown)?;
    holds(!shown.log.contains(launch::PANIC), "the kernel's log has a panic", &shown)?;
    let (frames, [slots, nodes, heap]) = markers[0];
    let free = format!("{frames} frames, {slots} slots, {nodes} nodes, {heap} heap bytes free");
    Ok(format!("{}; before and behind {free}", expected.trim_end()))
}
