//! The scenes: a machine without a free frame, a budget that is used up, a server whose caller's budget is.
//!
//! Called by `main`; calls `stage`. What must come out is in the check; here it is counted.
//!
//! Invariant: a scene that returns has ended everybody in it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::Cap;
use capos_rt::abi::outcome::OutcomeKind;

use crate::stage::{Limits, Player, Stage};

/// A scene, which says what came of it.
type Scene = fn(&Stage) -> Result<String, String>;

pub(crate) const ALL: &[(&str, Scene)] = &[
    ("touches", touches),
    ("budget alone", |stage| budget(stage, false)),
    ("budget beside another", |stage| budget(stage, true)),
    ("budget by the period", periods),
    ("server", server),
];

const MIB: u64 = 1 << 20;
/// Pages of those that wait before the machine is full.
const WAITING: u64 = 1024;
/// Nanoseconds of the processor in each period of nanoseconds: a fifth.
const RATE: [u64; 2] = [10_000_000, 50_000_000];
/// Nanoseconds that a budget is looked at: ten periods.
const WINDOW: u64 = 500_000_000;

/// Players that touch pages until the machine has no frame; then two that have waited: one inside its reserve, one beyond.
fn touches(stage: &Stage) -> Result<String, String> {
    let waiting = Limits { memory: 8 * MIB, reserve: 8 * MIB, ..Limits::SMALL };
    let inside = stage.create("touch", WAITING, waiting)?;
    let beyond = stage.create("touch", WAITING, Limits { reserve: 0, ..waiting })?;
    for player in [&inside, &beyond] {
        player.start()?;
        stage.reaches(player, 1)?;
    }
    let (mut holders, mut ended): (Vec<Player>, u32) = (Vec::new(), 0);
    let mut pages = 32 * MIB / 4096;
    while pages > 0 {
        match holder(stage, pages)? {
            Some(holder) => holders.push(holder),
            None => {
                ended += 1;
                pages /= 2;
            }
        }
    }
    beyond.go()?;
    let beyond = beyond.end()?;
    inside.go()?;
    let touched = stage.reaches(&inside, 2)?;
    inside.kill()?;
    for holder in &holders {
        holder.kill()?;
    }
    Ok(format!("{} hold, {ended} ended, beyond {beyond:?}, inside {touched}", holders.len()))
}

/// A player that has touched so many pages with nothing set aside; none if there is no memory for that: it has ended, or was
/// not made at all.
fn holder(stage: &Stage, pages: u64) -> Result<Option<Player>, String> {
    let limits = Limits { memory: pages * 4096 + 2 * MIB, reserve: 0, weight: 1, ..Limits::SMALL };
    let Some(holder) = stage.create_if("touch", pages, limits)? else { return Ok(None) };
    holder.go()?;
    holder.start()?;
    if stage.reaches(&holder, 2)? {
        return Ok(Some(holder));
    }
    match holder.end()? {
        (Some(OutcomeKind::Memory), _) => Ok(None),
        (kind, code) => Err(format!("a holder ended otherwise: {kind:?} {code}")),
    }
}

/// The time and the units that a process with a budget gets, and those of one without beside it.
fn budget(stage: &Stage, is_beside: bool) -> Result<String, String> {
    let limited = stage.create("work", 0, Limits { rate: RATE, ..Limits::SMALL })?;
    let other = if is_beside { Some(stage.create("work", 0, Limits::SMALL)?) } else { None };
    let players: Vec<&Player> = core::iter::once(&limited).chain(&other).collect();
    for player in &players {
        player.start()?;
    }
    stage.sleep(RATE[1])?;
    let look = || -> Result<(u64, Vec<(u64, u64)>), String> {
        let seen: Result<Vec<_>, String> =
            players.iter().map(|player| Ok((player.time()?, player.state()?))).collect();
        Ok((stage.now()?, seen?))
    };
    let (start, before) = look()?;
    stage.sleep(WINDOW)?;
    let (end, after) = look()?;
    for player in &players {
        player.kill()?;
    }
    let mut said = format!("in {} us", (end - start) / 1000);
    for ((time, units), (time_before, units_before)) in after.into_iter().zip(before) {
        said += &format!(", {} us and {} units", (time - time_before) / 1000, units - units_before);
    }
    Ok(said)
}

/// What a process with a budget gets done between two looks, a millisecond apart: all of a period at once, since nobody looks
/// while it runs, and then nothing until the next period.
fn periods(stage: &Stage) -> Result<String, String> {
    let limited = stage.create("work", 0, Limits { rate: [2_000_000, 10_000_000], ..Limits::SMALL })?;
    limited.start()?;
    stage.sleep(RATE[1])?;
    let (mut done, mut before) = (Vec::new(), limited.state()?);
    let start = stage.now()?;
    while stage.now()? - start < 100_000_000 {
        stage.sleep(1_000_000)?;
        let now = limited.state()?;
        if now != before {
            done.push(now - before);
        }
        before = now;
    }
    limited.kill()?;
    Ok(format!("{done:?} units"))
}

/// Two clients of a server. The first one's budget ends while the server works for it.
fn server(stage: &Stage) -> Result<String, String> {
    let server = stage.create("serve", 0, Limits::SMALL)?;
    let made = stage.serve(&server)?;
    let service: Cap<Probe> = made.root.typed();
    let poor = stage.create("call", 0, Limits { rate: [1_000_000, 100_000_000], ..Limits::SMALL })?;
    let rich = stage.create("call", 0, Limits::SMALL)?;
    for client in [&poor, &rich] {
        client.grant("service", &service, Probe::ALL_METHODS)?;
    }
    server.start()?;
    poor.start()?;
    let start = stage.now()?;
    while !poor.goes()? {
        stage.sleep(100_000)?;
    }
    rich.start()?;
    let ends = [rich.end()?, poor.end()?];
    let ended = stage.now()? - start;
    let micros = |nanoseconds: u64| nanoseconds / 1000;
    let said = format!(
        "{:?}; rich waited {} us, poor paid {} us and was back after {} us, server paid {} us",
        ends,
        micros(rich.state()?),
        micros(poor.time()?),
        micros(ended),
        micros(server.time()?),
    );
    server.kill()?;
    Ok(said)
}
