//! Runs jobs, a few at a time, prints a line for each, and counts.
//!
//! Called by `main`; calls `judge` and the checks.
//!
//! Invariant: every job ends in exactly one line, and a job without a line makes the whole fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::case::Machine;
use crate::checks::{Check, Tools};
use crate::discover::Found;
use crate::judge;

/// One thing to run.
pub(crate) enum Job {
    /// One run of a case on one machine.
    Case {
        /// The case.
        found: Found,
        /// Which of its runs.
        run: usize,
        /// Where.
        machine: Machine,
    },
    /// A check that is a program of its own.
    Check(&'static Check),
}

impl Job {
    /// What it is called in reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Job::Case { found, run, machine } => {
                format!("{}: {} [{}]", found.name, found.case.runs[*run].name, machine.name())
            }
            Job::Check(check) => check.name.to_owned(),
        }
    }

    fn run(&self, tools: &Tools<'_>) -> Result<String, String> {
        match self {
            Job::Case { found, run, machine } => {
                case(tools, found, *run, *machine).map_err(|told| format!("{}\n{told}", found.case.summary))
            }
            Job::Check(check) => (check.run)(tools),
        }
    }
}

fn case(tools: &Tools<'_>, found: &Found, run: usize, machine: Machine) -> Result<String, String> {
    let run = &found.case.runs[run];
    let file = match (&found.case.guest, &found.case.manifest) {
        (Some(guest), _) => tools.guests.file(&found.folder.join(guest))?,
        (None, Some(manifest)) => found.folder.join(manifest),
        (None, None) => return Err("nothing to boot".to_owned()),
    };
    let shown = judge::show(tools.place, &found.folder, &file, run, machine)?;
    judge::compare(&shown, &run.expect)?;
    Ok(String::new())
}

/// Runs all jobs; true if every one of them passed.
pub(crate) fn run(tools: &Tools<'_>, jobs: &[Job]) -> bool {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<bool>>> = Mutex::new(vec![None; jobs.len()]);
    let workers = thread::available_parallelism().map_or(1, |count| count.get().min(4));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, job)) = take(&next, jobs) {
                    let passed = one(tools, job);
                    if let Ok(mut results) = results.lock() {
                        results[index] = Some(passed);
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    summarize(jobs, &results, began)
}

fn take<'a>(next: &AtomicUsize, jobs: &'a [Job]) -> Option<(usize, &'a Job)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(index).map(|job| (index, job))
}

/// Runs one job and prints its line.
fn one(tools: &Tools<'_>, job: &Job) -> bool {
    let began = Instant::now();
    let result = job.run(tools);
    let seconds = began.elapsed().as_secs_f64();
    match &result {
        Ok(figures) if figures.is_empty() => println!("pass  {}  {seconds:.2} s", job.name()),
        Ok(figures) => println!("pass  {}  {seconds:.2} s  {figures}", job.name()),
        Err(told) => {
            println!("FAIL  {}  {seconds:.2} s\n      {}", job.name(), told.replace('\n', "\n      "))
        }
    }
    result.is_ok()
}

/// The last lines: what did not run, and the counts.
fn summarize(jobs: &[Job], results: &[Option<bool>], began: Instant) -> bool {
    let passed = results.iter().filter(|result| **result == Some(true)).count();
    let ran = results.iter().flatten().count();
    for (job, _) in jobs.iter().zip(results).filter(|(_, result)| result.is_none()) {
        println!("FAIL  {}: was not run", job.name());
    }
    let mut files: Vec<&str> = jobs
        .iter()
        .filter_map(|job| match job {
            Job::Case { found, .. } => Some(found.name.as_str()),
            Job::Check(_) => None,
        })
        .collect();
    files.dedup();
    println!(
        "suites: {} case files and {} checks, {ran} of {} runs in {:.0} s",
        files.len(),
        jobs.iter().filter(|job| matches!(job, Job::Check(_))).count(),
        jobs.len(),
        began.elapsed().as_secs_f64()
    );
    println!("{passed} passed, {} failed", jobs.len() - passed);
    passed == jobs.len() && ran == jobs.len()
}
