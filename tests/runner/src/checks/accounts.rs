//! What is promised to a process is kept: memory that was set aside, budgets of the processor, servers that others wait for.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond and a run is the same every time. The program
//! `accounts` plays the scenes and counts; here each line is held against what is due.
//!
//! Invariant: a scene without its line is a failure, and so is a number that is not there.

use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;

/// Of the window that the program looks at, a budget of a fifth: microseconds, and how far a stretch of ring 0 may lead from it.
const BUDGET: u64 = 100_000;
const TOLERANCE: u64 = 1_000;

pub(super) fn promises(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/accounts.cue"), &Run::plain())?;
    let text = shown.stdout_text();
    for (name, judge) in [
        ("touches", touches as fn(&str, &Shown) -> Result<(), String>),
        ("budget alone", alone),
        ("budget beside another", beside),
        ("budget by the period", periods),
        ("server", server),
    ] {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        judge(line.ok_or_else(|| format!("{name}: no line in {text:?}"))?, &shown)?;
    }
    holds(
        shown.log.contains("bytes in use, 0 set aside, limit"),
        "the log tells of nobody without memory",
        &shown,
    )?;
    status(&shown, 0)?;
    Ok(text.trim_end().to_owned())
}

/// All numbers of a line, in order.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// Who goes beyond its reserve when nothing is free ends, whoever it is; who waits inside its own touches all of it, and nobody
/// who has its pages loses one.
fn touches(line: &str, shown: &Shown) -> Result<(), String> {
    let [holders, ended, ..] = numbers(line)[..] else { return Err(format!("touches: {line}")) };
    let is_full = holders >= 5 && ended >= 5;
    holds(is_full && line.ends_with("beyond (Some(Memory), 0), inside true"), line, shown)
}

fn alone(line: &str, shown: &Shown) -> Result<(), String> {
    let [window, time, units] = numbers(line)[..] else { return Err(format!("budget alone: {line}")) };
    let is_exact = time.abs_diff(window / 5) <= TOLERANCE && time.abs_diff(BUDGET) <= TOLERANCE;
    holds(is_exact && units >= 10_000, line, shown)
}

/// The other one gets all that the budget leaves, and each as many units as its time is worth.
fn beside(line: &str, shown: &Shown) -> Result<(), String> {
    let [window, time, units, other_time, other_units] = numbers(line)[..] else {
        return Err(format!("budget beside another: {line}"));
    };
    let is_within = time <= window / 5 + TOLERANCE && time + BUDGET / 10 >= window / 5;
    let is_rest = (time + other_time).abs_diff(window) <= TOLERANCE;
    let is_same_work = (units * other_time).abs_diff(other_units * time) * 100 <= other_units * time;
    holds(is_within && is_rest && is_same_work, line, shown)
}

/// As much in each of ten periods, to a unit in a hundred.
fn periods(line: &str, shown: &Shown) -> Result<(), String> {
    let done = numbers(line);
    let (least, most) = (done.iter().min().copied().unwrap_or(0), done.iter().max().copied().unwrap_or(0));
    let is_even = least >= 500 && (most - least) * 100 <= least;
    holds((9..=11).contains(&done.len()) && is_even, line, shown)
}

/// A call costs 5 ms. The one whose budget is 1 ms of each 100 pays for all of its own and comes back when that is paid off;
/// the next one waits for the two calls and not for a period.
fn server(line: &str, shown: &Shown) -> Result<(), String> {
    let said = line.strip_prefix("[(Some(Exited), 0), (Some(Exited), 0)]; ");
    let Some([waited, paid, back, own]) =
        said.map(numbers).as_deref().and_then(|all| all.first_chunk().copied())
    else {
        return Err(format!("server: {line}"));
    };
    let is_served = (5_000..=11_000).contains(&waited);
    let is_paid = (5_000..=6_000).contains(&paid) && own <= 500;
    holds(is_served && is_paid && (400_000..=600_000).contains(&back), line, shown)
}
