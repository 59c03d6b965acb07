//! Every allocation of the kernel refused once, under the smoke system.
//!
//! A row of `checks`. One boot counts the allocations; then each of them is refused in a boot of its own.
//!
//! Invariant: a run ends as if nothing had happened, or with a refusal that says so; never with the kernel's failure.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{Tools, holds, status};
use crate::case::{Machine, Run};
use crate::launch::{self, Shown};

/// A number that no run reaches.
const NEVER: u64 = 1_000_000_000;
/// Boots at the same time.
const WORKERS: usize = 2;
/// Exit statuses: success, refused before start, a failure that capOS reports, out of memory.
const CLEAR: [i32; 5] = [0, 1, 126, 127, 137];

pub(super) fn sweep(tools: &Tools<'_>) -> Result<String, String> {
    let untouched = boot(tools, NEVER)?;
    status(&untouched, 0)?;
    let ahead = untouched
        .log
        .lines()
        .find_map(|line| line.strip_prefix("[kernel] fail-allocation: the run ended ")?.split_once(' '))
        .and_then(|(count, _)| count.parse::<u64>().ok())
        .ok_or("the log does not say how many allocations there were")?;
    let total = NEVER - ahead;
    let next = AtomicU64::new(1);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > total {
                        break;
                    }
                    let result = one(tools, n);
                    if let Ok(mut results) = results.lock() {
                        results.push(result);
                    }
                }
            });
        }
    });
    report(results.into_inner().unwrap_or_default(), total)
}

fn boot(tools: &Tools<'_>, n: u64) -> Result<Shown, String> {
    let run = Run { kernel: vec![format!("fail-allocation={n}")], timeout: 60, ..Run::plain() };
    tools.show(&tools.place.root.join("manifests/system-smoke.cue"), &run, Machine::Microvm)
}

/// Refuses the `n`th allocation; returns how the run ended.
fn one(tools: &Tools<'_>, n: u64) -> Result<i32, String> {
    let shown = boot(tools, n).map_err(|told| format!("allocation {n}: {told}"))?;
    let told = |problem: &str| format!("allocation {n}: {problem}\n{}\n{}", launch::tail(&shown), shown.log);
    if shown.log.contains("panic") || shown.log.contains("cannot start") {
        return Err(told("the kernel failed"));
    }
    if !CLEAR.contains(&shown.status) {
        return Err(told(&format!("status {}", shown.status)));
    }
    if shown.status != 0 && shown.stderr_text().trim().is_empty() {
        return Err(told("it failed without a word"));
    }
    holds(shown.outcome.is_some(), "no outcome was delivered", &shown).map_err(|problem| told(&problem))?;
    Ok(shown.status)
}

fn report(results: Vec<Result<i32, String>>, total: u64) -> Result<String, String> {
    if results.len() as u64 != total {
        return Err(format!("{} of {total} runs", results.len()));
    }
    let (fine, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    if !failed.is_empty() {
        let first: Vec<String> = failed.iter().take(5).filter_map(|result| result.clone().err()).collect();
        return Err(format!("{} of {total} runs failed\n{}", failed.len(), first.join("\n")));
    }
    let succeeded = fine.iter().filter(|result| **result == Ok(0)).count();
    let refused = total - succeeded as u64;
    if refused == 0 {
        return Err("no run was refused: nothing was tested".to_owned());
    }
    Ok(format!("{total} allocations: {refused} runs refused, {succeeded} succeeded all the same"))
}
