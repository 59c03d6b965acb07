//! The table of figures, `bench/figures.toml`: what is measured, why it costs what it does, and what was recorded.
//!
//! Called by `main` and `report`.
//!
//! Invariant: recording changes the lines of recorded figures only; everything that people wrote stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Counts;
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
    /// What Linux takes for the nearest thing.
    pub(crate) linux: Option<String>,
    /// What it goes into, where that is not evident; read by people.
    #[serde(rename = "reason")]
    _reason: Option<String>,
    /// By toolchain.
    #[serde(default)]
    pub(crate) recorded: BTreeMap<String, f64>,
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
        let file: File = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Table { path: path.to_path_buf(), text, toolchains: file.toolchain, figures: file.figure })
    }

    /// What this toolchain is called in the table, if it is there.
    pub(crate) fn toolchain(&self, toolchain: &Toolchain) -> Option<&str> {
        self.toolchains.iter().find(|(_, known)| *known == toolchain).map(|(id, _)| id.as_str())
    }

    /// The figures recorded for a toolchain.
    pub(crate) fn recorded<'t>(&'t self, id: &'t str) -> impl Iterator<Item = (&'t Figure, f64)> {
        self.figures.iter().filter_map(move |figure| Some((figure, *figure.recorded.get(id)?)))
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

/// The text with the counts as lines `recorded.ID = COUNT`, each behind the name of its figure.
fn with_recorded(text: &str, id: &str, counts: &Counts) -> String {
    let key = format!("recorded.{id} = ");
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with(&key)) {
        out.push_str(line);
        out.push('\n');
        let name = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'));
        if let Some(count) = name.and_then(|name| counts.get(name)) {
            out.push_str(&format!("{key}{count:.0}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_replaces_one_toolchains_lines() {
        let text = "# kept\nname = \"a\"\nrecorded.x = 1\nrecorded.y = 2\naim = 3\nname = \"b\"\n";
        let counts = Counts::from([("a".to_owned(), 4.4), ("c".to_owned(), 5.0)]);
        let expected = "# kept\nname = \"a\"\nrecorded.x = 4\nrecorded.y = 2\naim = 3\nname = \"b\"\n";
        assert_eq!(with_recorded(text, "x", &counts), expected);
    }
}
