//! `tests/matrix.toml`: which suite runs on what, and why the rest is left out.
//!
//! Read by `plan`; calls nobody. The cells are the product of the axes, so none can be forgotten: the first row that a
//! cell fits into decides about it, and a cell that fits into no row is an error, as is a row that decides nothing.
//!
//! Invariant: [`Matrix::parse`] returns only what is complete and says nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::setting::{Accelerator, Build, Machine, Mode, Setting};

/// A suite on a setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// The suite.
    pub(crate) suite: String,
    /// What it runs on.
    pub(crate) setting: Setting,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.suite, self.setting)
    }
}

/// When a cell runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    /// In `make test`, and in `make test-all`.
    Test,
    /// In `make test-all` only.
    All,
    /// There is no such thing.
    Never,
}

/// What is decided about a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// When it runs.
    pub(crate) when: When,
    /// Why not always; empty for what always runs.
    pub(crate) reason: String,
}

/// The file, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    axes: Axes,
    tests: BTreeMap<String, BTreeMap<Mode, usize>>,
    row: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Axes {
    suite: Vec<String>,
    machine: Vec<Machine>,
    processors: Vec<u8>,
    mode: Vec<Mode>,
    accelerator: Vec<Accelerator>,
    build: Vec<Build>,
}

/// Cells that have something in common; an axis that it does not name is there with all its values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    suite: Option<Vec<String>>,
    machine: Option<Vec<Machine>>,
    processors: Option<Vec<u8>>,
    mode: Option<Vec<Mode>>,
    accelerator: Option<Vec<Accelerator>>,
    build: Option<Vec<Build>>,
    run: When,
    #[serde(default)]
    reason: String,
}

/// The whole product, each cell with what is decided about it.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// Every cell, in the order of the axes.
    pub(crate) cells: Vec<(Cell, Decision)>,
    /// How many tests a suite has in a mode.
    tests: BTreeMap<String, BTreeMap<Mode, usize>>,
}

impl Matrix {
    /// Reads the text of the file; `suites` are those that there are.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(crate) fn parse(text: &str, suites: &BTreeSet<String>) -> Result<Matrix, String> {
        let File { axes, tests, row: rows } = toml::from_str(text).map_err(|error| error.to_string())?;
        axes.check(suites)?;
        rows.iter().enumerate().try_for_each(|(index, row)| row.check(index, &axes))?;
        let mut used = vec![false; rows.len()];
        let mut cells = Vec::new();
        for cell in axes.product() {
            let decides = rows.iter().position(|row| row.has(&cell));
            let index = decides.ok_or_else(|| format!("no row decides about the cell {cell}"))?;
            used[index] = true;
            let decision = Decision { when: rows[index].run, reason: rows[index].reason.clone() };
            cells.push((cell, decision));
        }
        if let Some(index) = used.iter().position(|used| !used) {
            return Err(format!("row {} decides about no cell: earlier rows have all of its own", index + 1));
        }
        let matrix = Matrix { cells, tests };
        matrix.check(&axes)?;
        Ok(matrix)
    }

    /// How many tests the suite of a cell must have in it.
    pub(crate) fn expected(&self, cell: &Cell) -> usize {
        self.tests.get(&cell.suite).and_then(|modes| modes.get(&cell.setting.mode)).copied().unwrap_or(0)
    }

    fn check(&self, axes: &Axes) -> Result<(), String> {
        let counted: BTreeSet<_> = self.tests.keys().collect();
        if counted != axes.suite.iter().collect() {
            return Err(format!("[tests] counts {counted:?}, and the axis suite is {:?}", axes.suite));
        }
        for (suite, modes) in &self.tests {
            if modes.keys().collect::<BTreeSet<_>>() != axes.mode.iter().collect() {
                return Err(format!("[tests] {suite} must have a count for each mode and no other"));
            }
            let runs = |(cell, decision): &(Cell, Decision)| {
                cell.suite == *suite && decision.when == When::Test && self.expected(cell) > 0
            };
            if !self.cells.iter().any(runs) {
                return Err(format!("the suite {suite} is in no cell that `make test` runs"));
            }
        }
        Ok(())
    }
}

impl Axes {
    fn check(&self, suites: &BTreeSet<String>) -> Result<(), String> {
        distinct("suite", &self.suite)?;
        distinct("machine", &self.machine)?;
        distinct("processors", &self.processors)?;
        distinct("mode", &self.mode)?;
        distinct("accelerator", &self.accelerator)?;
        distinct("build", &self.build)?;
        if let Some(suite) = self.suite.iter().find(|suite| !suites.contains(*suite)) {
            return Err(format!("there is no suite called {suite}; there are {suites:?}"));
        }
        match suites.iter().find(|suite| !self.suite.contains(suite)) {
            Some(suite) => Err(format!("the suite {suite} is in no cell: the axis suite lacks it")),
            None => Ok(()),
        }
    }

    fn product(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for suite in &self.suite {
            for &build in &self.build {
                for &accelerator in &self.accelerator {
                    for &machine in &self.machine {
                        for &processors in &self.processors {
                            cells.extend(self.mode.iter().map(|&mode| Cell {
                                suite: suite.clone(),
                                setting: Setting { machine, processors, mode, accelerator, build },
                            }));
                        }
                    }
                }
            }
        }
        cells
    }
}

impl Row {
    fn check(&self, index: usize, axes: &Axes) -> Result<(), String> {
        let told = |problem: String| format!("row {}: {problem}", index + 1);
        known("suite", self.suite.as_ref(), &axes.suite).map_err(told)?;
        known("machine", self.machine.as_ref(), &axes.machine).map_err(told)?;
        known("processors", self.processors.as_ref(), &axes.processors).map_err(told)?;
        known("mode", self.mode.as_ref(), &axes.mode).map_err(told)?;
        known("accelerator", self.accelerator.as_ref(), &axes.accelerator).map_err(told)?;
        known("build", self.build.as_ref(), &axes.build).map_err(told)?;
        match (self.run, self.reason.is_empty()) {
            (When::Test, false) => Err(told("what `make test` runs needs no reason".to_owned())),
            (When::All | When::Never, true) => Err(told("what is left out needs a reason".to_owned())),
            _ => Ok(()),
        }
    }

    fn has(&self, cell: &Cell) -> bool {
        let Setting { machine, processors, mode, accelerator, build } = &cell.setting;
        within(self.suite.as_ref(), &cell.suite)
            && within(self.machine.as_ref(), machine)
            && within(self.processors.as_ref(), processors)
            && within(self.mode.as_ref(), mode)
            && within(self.accelerator.as_ref(), accelerator)
            && within(self.build.as_ref(), build)
    }
}

fn within<T: PartialEq>(values: Option<&Vec<T>>, value: &T) -> bool {
    values.is_none_or(|values| values.contains(value))
}

fn known<T: PartialEq + fmt::Debug>(axis: &str, values: Option<&Vec<T>>, all: &[T]) -> Result<(), String> {
    let Some(values) = values else { return Ok(()) };
    distinct(axis, values)?;
    match values.iter().find(|value| !all.contains(value)) {
        Some(value) => Err(format!("the axis {axis} has no {value:?}")),
        None => Ok(()),
    }
}

fn distinct<T: PartialEq>(axis: &str, values: &[T]) -> Result<(), String> {
    if values.is_empty() {
        return Err(format!("{axis} has no value"));
    }
    match (1..values.len()).find(|&index| values[..index].contains(&values[index])) {
        Some(index) => Err(format!("{axis} names its value {} twice", index + 1)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
