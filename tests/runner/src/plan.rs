//! From the matrix and what there is in `tests/` to what is run now and what is left out.
//!
//! Called by `main`; calls `matrix`, `discover` and the list of checks.
//!
//! Invariant: every test is in a cell that `make test` runs, and a cell has exactly as many tests as the matrix says.

use std::collections::BTreeSet;
use std::fs;

use crate::checks;
use crate::discover;
use crate::matrix::{Cell, Decision, Matrix, When};
use crate::place::Place;
use crate::schedule::{Job, Test};
use crate::setting::Accelerator;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Every cell that there is, not only those of `make test`.
    pub(crate) all: bool,
    /// Words that a cell's name must have.
    pub(crate) cell: Vec<String>,
    /// Beginnings of names of tests; none for all.
    pub(crate) names: Vec<String>,
}

/// What is done with it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What runs, in this order.
    pub(crate) jobs: Vec<Job>,
    /// What does not, and why.
    pub(crate) skipped: Vec<(Cell, String)>,
}

/// Reads everything and decides. `kvm` says why KVM does not work here, if it does not; it is asked only if it matters.
///
/// # Errors
/// The matrix or a case is malformed, or they contradict each other.
pub(crate) fn make(
    place: &Place,
    wanted: &Wanted,
    kvm: impl FnOnce() -> Result<Option<String>, String>,
) -> Result<Plan, String> {
    let tests = tests(place)?;
    let suites: BTreeSet<String> = tests.iter().map(|test| test.suite().to_owned()).collect();
    let file = place.tests().join("matrix.toml");
    let told = |problem: String| format!("tests/matrix.toml: {problem}");
    let text = fs::read_to_string(&file).map_err(|error| told(error.to_string()))?;
    let matrix = Matrix::parse(&text, &suites).map_err(told)?;
    complete(&matrix, &tests).map_err(told)?;
    let mut chosen: Vec<(Cell, Decision)> =
        matrix.cells.into_iter().filter(|(cell, _)| has_words(cell, &wanted.cell)).collect();
    let needs_kvm = chosen
        .iter()
        .any(|(cell, decision)| cell.setting.accelerator == Accelerator::Kvm && runs(decision, wanted));
    if let Some(problem) = if needs_kvm { kvm()? } else { None } {
        let without = chosen.iter_mut().filter(|(cell, _)| cell.setting.accelerator == Accelerator::Kvm);
        without.filter(|(_, decision)| runs(decision, wanted)).for_each(|(_, decision)| {
            *decision = Decision { when: When::Never, reason: format!("KVM does not work here: {problem}") }
        });
    }
    Ok(divide(chosen, &tests, wanted))
}

fn divide(chosen: Vec<(Cell, Decision)>, tests: &[Test], wanted: &Wanted) -> Plan {
    let (running, left): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|(_, decision)| runs(decision, wanted));
    let is_named = |test: &Test| {
        let name = test.name();
        wanted.names.is_empty() || wanted.names.iter().any(|wanted| name.starts_with(wanted.as_str()))
    };
    // By test first: a long one that is left to the end would run alone.
    let jobs = tests.iter().filter(|test| is_named(test)).flat_map(|test| {
        let cells = running.iter().filter(|(cell, _)| is_in(test, cell));
        cells.map(|(cell, _)| Job { cell: cell.clone(), test: test.clone() })
    });
    let skipped = left.into_iter().map(|(cell, decision)| (cell, decision.reason));
    Plan { jobs: jobs.collect(), skipped: skipped.collect() }
}

/// Every test: the checks in their order, then the cases.
fn tests(place: &Place) -> Result<Vec<Test>, String> {
    let mut tests: Vec<Test> = checks::ALL.iter().map(Test::Check).collect();
    for suite in discover::suites(&place.tests())? {
        for found in discover::cases(&place.tests(), &suite)? {
            tests.extend((0..found.case.runs.len()).map(|run| Test::Case { found: found.clone(), run }));
        }
    }
    Ok(tests)
}

fn complete(matrix: &Matrix, tests: &[Test]) -> Result<(), String> {
    for (cell, decision) in &matrix.cells {
        let (found, expected) =
            (tests.iter().filter(|test| is_in(test, cell)).count(), matrix.expected(cell));
        if decision.when != When::Never && found != expected {
            let (suite, mode) = (&cell.suite, cell.setting.mode.name());
            return Err(format!("[tests] {suite} has {mode} = {expected}, and there are {found}"));
        }
    }
    let runs = |test: &&Test| {
        matrix.cells.iter().any(|(cell, decision)| decision.when == When::Test && is_in(test, cell))
    };
    match tests.iter().find(|test| !runs(test)) {
        Some(test) => Err(format!("{} is in no cell that `make test` runs", test.name())),
        None => Ok(()),
    }
}

fn is_in(test: &Test, cell: &Cell) -> bool {
    test.suite() == cell.suite && test.runs_in(cell.setting.mode)
}

fn runs(decision: &Decision, wanted: &Wanted) -> bool {
    decision.when == When::Test || (wanted.all && decision.when == When::All)
}

fn has_words(cell: &Cell, words: &[String]) -> bool {
    let name = cell.to_string();
    let own: Vec<&str> = name.split('-').collect();
    words.iter().flat_map(|word| word.split('-')).all(|word| own.contains(&word))
}
