//! Every allocation of the kernel refused once, under the smoke system, under the services demo, and under one that
//! takes every way of memory.
//!
//! Rows of `checks`. One boot counts the allocations; then each of them is refused in a boot of its own.
//!
//! Invariant: a run ends as if nothing had happened, or with a refusal that says so; never with the kernel's failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::{self, Shown};

/// A number that no run reaches.
const NEVER: u64 = 1_000_000_000;
/// Boots at the same time.
const WORKERS: usize = 2;
/// Exit statuses: success, refused before start, a failure that capOS reports, out of memory, time up: a process that waits
/// for one that has failed.
const CLEAR: [i32; 6] = [0, 1, 126, 127, 137, 142];

/// A system under test.
#[derive(Clone, Copy)]
struct System {
    /// Its manifest, from the root.
    manifest: &'static str,
    /// Its main process.
    main: &'static str,
}

pub(super) fn sweep(tools: &Tools<'_>) -> Result<String, String> {
    sweep_of(tools, System { manifest: "manifests/system-smoke.cue", main: "smoke" })
}

pub(super) fn sweep_services(tools: &Tools<'_>) -> Result<String, String> {
    sweep_of(tools, System { manifest: "manifests/system-services.cue", main: "writer" })
}

pub(super) fn sweep_sharing(tools: &Tools<'_>) -> Result<String, String> {
    sweep_of(tools, System { manifest: "tests/kernel/sharing.cue", main: "sharing" })
}

fn sweep_of(tools: &Tools<'_>, system: System) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let image = image(tools, system, folder.path())?;
    let untouched = boot(tools, &image, NEVER)?;
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
                    let result = one(tools, system, &image, n);
                    if let Ok(mut results) = results.lock() {
                        results.push(result);
                    }
                }
            });
        }
    });
    report(results.into_inner().unwrap_or_default(), total)
}

/// The image of the system: built once, because every boot takes the same.
fn image(tools: &Tools<'_>, system: System, folder: &Path) -> Result<PathBuf, String> {
    let image = folder.join("system.image");
    let output = Command::new(&tools.ground.capos)
        .args(["build", "-o"])
        .arg(&image)
        .arg(tools.place.root.join(system.manifest))
        .output()
        .map_err(|error| error.to_string())?;
    let told = || format!("capos build: {}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(image) } else { Err(told()) }
}

fn boot(tools: &Tools<'_>, image: &Path, n: u64) -> Result<Shown, String> {
    let run = Run { kernel: vec![format!("fail-allocation={n}")], timeout: 60, ..Run::plain() };
    tools.show(image, &run)
}

/// Refuses the `n`th allocation; returns how the run ended.
fn one(tools: &Tools<'_>, system: System, image: &Path, n: u64) -> Result<i32, String> {
    let shown = boot(tools, image, n).map_err(|told| format!("allocation {n}: {told}"))?;
    let told = |problem: &str| {
        let log = launch::last_lines(&shown.log);
        format!("allocation {n}: {problem}\n{}\n{log}", launch::tail(&shown))
    };
    if shown.log.contains(launch::PANIC) || shown.log.contains("cannot start") {
        return Err(told("the kernel failed"));
    }
    if !CLEAR.contains(&shown.status) {
        return Err(told(&format!("status {}", shown.status)));
    }
    // The end of the main process is the end of the run: nobody waits for what comes after it.
    let ended = ends(&shown.log)?;
    let ended_badly =
        ended.iter().take_while(|end| end.name != system.main).any(|end| end.outcome != "exited");
    if shown.stderr_text().trim().is_empty() && (shown.status != 0 || ended_badly) {
        return Err(told("a process was refused memory, and nobody says so"));
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
