//! Counts of authority: made, and taken back.
//!
//! Called by `main`; in this process, and in others that never run.
//!
//! Invariant: the line of revocations has what looking at the clock took and what they took, so the difference by the number of
//! descendants is what one of these cost, with its share of the call. A round begins when nothing of the one before is left
//! over.

use alloc::format;
use alloc::vec::Vec;

use capos_rt::abi::error::CallError;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, abi::capset::ENTRIES_MAX};

use crate::Context;

/// Bytes that a process may use that holds capabilities and never runs.
const HOLDER_LIMIT: u64 = 512 * 1024;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    context.count("derive", 200, |_| context.timer.derive(1 << Timer::NOW).map(drop))?;
    let rows = [
        ("revoke-1", 1, 0, 64),
        ("revoke-100", 100, 0, 16),
        ("revoke-10000", 10_000, 0, 1),
        ("revoke-100-processes", 100, 100, 4),
        ("revoke-10000-processes", 10_000, 100, 1),
    ];
    let clock = (0..8).map(|_| look(context)).collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or(0);
    for (name, descendants, processes, rounds) in rows {
        revoke(context, descendants, processes, clock)?;
        let mut all = 0;
        for _ in 0..rounds {
            all += revoke(context, descendants, processes, clock)?;
        }
        context.print(name, descendants * rounds, clock * rounds, all)?;
    }
    Ok(())
}

/// What two looks at the clock are apart.
fn look(context: &Context) -> Result<u64, CallError> {
    let start = context.timer.now()?;
    Ok(context.timer.now()? - start)
}

/// What a revocation takes, and a look at the clock, which is `clock` while nothing is left over. Other processes hold as many of the descendants as their CapSets have room for; of the rest half
/// are a chain, the others side by side.
fn revoke(context: &Context, descendants: u64, processes: u64, clock: u64) -> Result<u64, CallError> {
    let trunk = context.timer.derive(1 << Timer::NOW)?;
    let mut holders = Vec::new();
    let mut left = descendants;
    for process in (0..processes).rev() {
        let count = (left / (process + 1)).min(ENTRIES_MAX as u64);
        holders.push(holder(context, &trunk, count)?);
        left -= count;
    }
    let mut below: Vec<Cap<Timer>> = Vec::new();
    for index in 0..left {
        let parent = below.last().filter(|_| index < left / 2).unwrap_or(&trunk);
        below.push(parent.derive(1 << Timer::NOW)?);
    }
    // What the round before has left over comes first.
    while look(context)? > clock {}
    let start = context.timer.now()?;
    trunk.revoke()?;
    let end = context.timer.now()?;
    drop((below, holders));
    Ok(end - start)
}

/// A process that holds `count` copies.
fn holder(context: &Context, trunk: &Cap<Timer>, count: u64) -> Result<Cap<ProcessHandle>, CallError> {
    let made = context.spawner.create("holder", &context.first, HOLDER_LIMIT, 0, 0, 0, 0)?;
    for number in 0..count {
        made.process.grant(&format!("{number}"), trunk, 1 << Timer::NOW)?;
    }
    Ok(made.process)
}
