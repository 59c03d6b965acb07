//! The table of figures, `bench/figures.toml`: what is measured, why it costs what it does, and what was recorded.
//!
//! Called by `main` and `report`.
//!
//! Invariant: recording changes the lines of recorded figures only; everything that people wrote stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Counts;
use crate::reference::Reference;
use crate::toolchain::Toolchain;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    toolchain: BTreeMap<String, Toolchain>,
    figure: Vec<Figure>,
}

/// One figure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// Instructions or bytes.
    pub(crate) unit: String,
    /// What it is of, and under which conditions.
    pub(crate) about: String,
    /// What it should be at most.
    pub(crate) aim: Option<f64>,
    /// What it should be at most, as a share of Linux's result.
    pub(crate) aim_ratio: Option<f64>,
    /// The result of `bench/reference/results.toml` that it stands beside: what Linux takes for the nearest thing.
    pub(crate) reference: Option<String>,
    /// Linux in words: where there is no such result, or what it leaves out.
    pub(crate) linux: Option<String>,
    /// What it goes into, where that is not evident.
    pub(crate) reason: Option<String>,
    /// By toolchain.
    #[serde(default)]
    pub(crate) recorded: BTreeMap<String, f64>,
}

impl Figure {
    /// What Linux takes, in the figure's unit.
    pub(crate) fn linux_count(&self, reference: &Reference) -> Option<f64> {
        reference.results.get(self.reference.as_ref()?).copied()
    }

    /// What it should be at most: the smaller of the two aims.
    pub(crate) fn aim(&self, reference: &Reference) -> Option<f64> {
        let share = self.aim_ratio.zip(self.linux_count(reference)).map(|(ratio, linux)| ratio * linux);
        [self.aim, share].into_iter().flatten().reduce(f64::min)
    }
}

/// The table.
pub(crate) struct Table {
    path: PathBuf,
    text: String,
    toolchains: BTreeMap<String, Toolchain>,
    pub(crate) figures: Vec<Figure>,
}

impl Table {
    /// Reads the table.
    ///
    /// # Errors
    /// It cannot be read, or is not such a table.
    pub(crate) fn read(path: &Path) -> Result<Table, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Table::parse(path.to_path_buf(), text)
    }

    /// The table that a text is.
    ///
    /// # Errors
    /// It is not such a table, or names a figure twice or a toolchain that it does not describe.
    pub(crate) fn parse(path: PathBuf, text: String) -> Result<Table, String> {
        let file: File = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut names = BTreeSet::new();
        for figure in &file.figure {
            let name = &figure.name;
            if !names.insert(name) {
                return Err(format!("{}: the figure {name} is there twice", path.display()));
            }
            if let Some(id) = figure.recorded.keys().find(|id| !file.toolchain.contains_key(*id)) {
                return Err(format!(
                    "{}: {name} is recorded for {id}, which is no toolchain here",
                    path.display()
                ));
            }
        }
        Ok(Table { path, text, toolchains: file.toolchain, figures: file.figure })
    }

    /// The toolchains by what they are called here.
    pub(crate) fn toolchains(&self) -> &BTreeMap<String, Toolchain> {
        &self.toolchains
    }

    /// What this toolchain is called in the table, if it is there.
    pub(crate) fn toolchain(&self, toolchain: &Toolchain) -> Option<&str> {
        self.toolchains.iter().find(|(_, known)| *known == toolchain).map(|(id, _)| id.as_str())
    }

    /// Makes sure that Linux has a result wherever a figure stands beside one.
    ///
    /// # Errors
    /// It has not.
    pub(crate) fn check_references(&self, reference: &Reference) -> Result<(), String> {
        let is_missing = |figure: &&Figure| {
            let is_there = |name| reference.results.contains_key(name);
            figure.reference.as_ref().map_or(figure.aim_ratio.is_some(), |name| !is_there(name))
        };
        self.figures.iter().find(is_missing).map_or(Ok(()), |figure| {
            Err(format!("{}: {} stands beside no result of Linux", self.path.display(), figure.name))
        })
    }

    /// Writes counts into the table as those of this toolchain, which must be in it.
    ///
    /// # Errors
    /// The toolchain is not in the table, or the file cannot be written.
    pub(crate) fn record(&self, counts: &Counts, toolchain: &Toolchain) -> Result<(), String> {
        let id = self.toolchain(toolchain).ok_or_else(|| {
            let Toolchain { rustc, llvm, qemu, cpu } = toolchain;
            format!(
                "name this toolchain in {} first:\n[toolchain.NAME]\nrustc = {rustc:?}\nllvm = {llvm:?}\nqemu = {qemu:?}\n\
                 cpu = {cpu:?}",
                self.path.display()
            )
        })?;
        let text = with_recorded(&self.text, id, counts);
        fs::write(&self.path, text).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// The text with the counts as lines `recorded.ID = COUNT`, behind the name of their figure where there is none yet. What
/// was not measured keeps its line, and a line keeps the remark behind its number.
fn with_recorded(text: &str, id: &str, counts: &Counts) -> String {
    let key = format!("recorded.{id} = ");
    let name_in = |line: &str| {
        let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
        Some((name.to_owned(), *counts.get(name)?))
    };
    let measured: Vec<Option<(String, f64)>> = text.lines().map(name_in).collect();
    let mut out: Vec<String> = Vec::new();
    // The count that the current figure still lacks a line for, and where one would go.
    let mut pending: Option<(usize, f64)> = None;
    for (line, measured) in text.lines().zip(measured) {
        if line.starts_with("[[") {
            insert(&mut out, &key, pending.take());
        }
        match (line.strip_prefix(&key), pending) {
            (Some(rest), Some((_, count))) => {
                let remark = rest.find('#').map_or(String::new(), |at| format!(" {}", &rest[at..]));
                out.push(format!("{key}{count:.0}{remark}"));
                pending = None;
            }
            _ => out.push(line.to_owned()),
        }
        if let Some((_, count)) = measured {
            pending = Some((out.len(), count));
        }
    }
    insert(&mut out, &key, pending);
    out.join("\n") + "\n"
}

fn insert(out: &mut Vec<String>, key: &str, pending: Option<(usize, f64)>) {
    if let Some((at, count)) = pending {
        out.insert(at, format!("{key}{count:.0}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &str) -> String {
        with_recorded(text, "x", &Counts::from([("a".to_owned(), 4.4), ("c".to_owned(), 5.0)]))
    }

    #[test]
    fn recording_replaces_one_toolchains_values() {
        let text = "# kept\n[[figure]]\nname = \"a\"\nrecorded.x = 1 # why\nrecorded.y = 2\naim = 3\n";
        let expected = "# kept\n[[figure]]\nname = \"a\"\nrecorded.x = 4 # why\nrecorded.y = 2\naim = 3\n";
        assert_eq!(recorded(text), expected);
    }

    #[test]
    fn a_line_that_stands_further_down_is_replaced_there() {
        let text = "[[figure]]\nname = \"a\"\naim = 3\nrecorded.x = 1\n\n[[figure]]\nname = \"b\"\n";
        let expected = "[[figure]]\nname = \"a\"\naim = 3\nrecorded.x = 4\n\n[[figure]]\nname = \"b\"\n";
        assert_eq!(recorded(text), expected);
    }

    #[test]
    fn a_figure_without_a_line_gets_one_and_one_that_was_not_measured_keeps_its_own() {
        let text = "[[figure]]\nname = \"b\"\nrecorded.x = 7\n\n[[figure]]\nname = \"c\"\naim = 3\n";
        let expected =
            "[[figure]]\nname = \"b\"\nrecorded.x = 7\n\n[[figure]]\nname = \"c\"\nrecorded.x = 5\naim = 3\n";
        assert_eq!(recorded(text), expected);
        assert_eq!(recorded(expected), expected);
    }

    #[test]
    fn a_table_with_a_name_twice_or_an_unknown_toolchain_is_refused() {
        let figure = "[[figure]]\nname = \"a\"\nunit = \"bytes\"\nabout = \"x\"\n";
        let told = |text: String| Table::parse("t.toml".into(), text).map(|_| ()).unwrap_err();
        assert_eq!(told(format!("[toolchain]\n{figure}{figure}")), "t.toml: the figure a is there twice");
        assert_eq!(
            told(format!("[toolchain]\n{figure}recorded.z = 1\n")),
            "t.toml: a is recorded for z, which is no toolchain here"
        );
    }
}
