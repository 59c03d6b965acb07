//! Runs jobs, a few at a time, prints a line for each, and counts.
//!
//! Called by `main`; calls `judge` and the checks.
//!
//! Invariant: every job ends in exactly one line, and a job without a line makes the whole fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::checks::{Check, Tools};
use crate::discover::Found;
use crate::ground::Ground;
use crate::guest::Guests;
use crate::judge;
use crate::matrix::Cell;
use crate::place::Place;
use crate::setting::{Mode, Setting};

/// One thing to run, anywhere.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// One run of a case.
    Case {
        /// The case.
        found: Found,
        /// Which of its runs.
        run: usize,
    },
    /// A check that is a program of its own.
    Check(&'static Check),
}

/// One thing to run, in one cell.
#[derive(Debug)]
pub(crate) struct Job {
    /// Where.
    pub(crate) cell: Cell,
    /// What.
    pub(crate) test: Test,
}

/// What the jobs share.
pub(crate) struct Workshop<'a> {
    /// Where things are.
    pub(crate) place: &'a Place,
    /// Guests, built on demand.
    pub(crate) guests: &'a Guests,
    /// The seed of the ring fuzzer.
    pub(crate) seed: u64,
    /// Every setting that a job has.
    pub(crate) grounds: &'a BTreeMap<Setting, Ground>,
}

impl Test {
    /// What it is called in reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Test::Case { found, run } => format!("{}: {}", found.name, found.case.runs[*run].name),
            Test::Check(check) => check.name.to_owned(),
        }
    }

    /// The suite that it belongs to: the first word of its name.
    pub(crate) fn suite(&self) -> &str {
        let name = match self {
            Test::Case { found, .. } => &found.name,
            Test::Check(check) => check.name,
        };
        name.split_once('/').map_or(name, |(suite, _)| suite)
    }

    /// Whether it means something in a mode.
    pub(crate) fn runs_in(&self, mode: Mode) -> bool {
        match self {
            Test::Case { .. } => true,
            Test::Check(check) => check.runs_in(mode),
        }
    }
}

impl Job {
    /// What it is called in reports.
    pub(crate) fn name(&self) -> String {
        format!("{} [{}]", self.test.name(), self.cell.setting)
    }

    fn run(&self, workshop: &Workshop<'_>) -> Result<String, String> {
        let Workshop { place, guests, seed, grounds } = *workshop;
        let ground = grounds.get(&self.cell.setting).ok_or("nothing is ready for this cell")?;
        match &self.test {
            Test::Case { found, run } => {
                case(guests, ground, found, *run).map_err(|told| format!("{}\n{told}", found.case.summary))
            }
            Test::Check(check) => (check.run)(&Tools { place, guests, seed, ground }),
        }
    }
}

fn case(guests: &Guests, ground: &Ground, found: &Found, run: usize) -> Result<String, String> {
    let run = &found.case.runs[run];
    let file = match (&found.case.guest, &found.case.manifest) {
        (Some(guest), _) => guests.file(&found.folder.join(guest))?,
        (None, Some(manifest)) => found.folder.join(manifest),
        (None, None) => return Err("nothing to boot".to_owned()),
    };
    let shown = judge::show(ground, &found.folder, &file, run)?;
    judge::compare(&shown, &run.expect)?;
    Ok(String::new())
}

/// Runs all jobs; true if every one of them passed.
pub(crate) fn run(workshop: &Workshop<'_>, jobs: &[Job]) -> bool {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<bool>>> = Mutex::new(vec![None; jobs.len()]);
    let workers = thread::available_parallelism().map_or(1, |count| count.get().min(4));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, job)) = take(&next, jobs) {
                    let passed = one(workshop, job);
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
fn one(workshop: &Workshop<'_>, job: &Job) -> bool {
    let began = Instant::now();
    let result = job.run(workshop);
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

/// The last lines: what did not run, each cell, and the counts.
fn summarize(jobs: &[Job], results: &[Option<bool>], began: Instant) -> bool {
    let mut cells: BTreeMap<&Cell, [usize; 3]> = BTreeMap::new();
    for (job, result) in jobs.iter().zip(results) {
        let [all, ran, passed] = cells.entry(&job.cell).or_default();
        *all += 1;
        *ran += usize::from(result.is_some());
        *passed += usize::from(*result == Some(true));
        if result.is_none() {
            println!("FAIL  {}: was not run", job.name());
        }
    }
    for (cell, [all, ran, passed]) in &cells {
        println!("cell  {cell}: {passed} passed of {ran} that ran; {all} were to run");
    }
    let [all, ran, passed] = cells.values().fold([0; 3], |sum, one| [0, 1, 2].map(|at| sum[at] + one[at]));
    let seconds = began.elapsed().as_secs_f64();
    println!("suites: {ran} of {all} tests in {} cells, {seconds:.0} s", cells.len());
    println!("{passed} passed, {} failed", all - passed);
    passed == all && ran == jobs.len()
}
