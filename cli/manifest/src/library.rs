//! The programs that come with capOS.
//!
//! Called by `resolve` for the programs that a manifest names, and by `load` for the CUE evaluator; calls the file system.
//!
//! Invariant: a built-in program is a file of the folder; nothing is downloaded or searched for elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// The programs that are not named by a manifest: the boot image always has them, under other names or none.
const NOT_PROGRAMS: [&str; 3] = ["boot", "kernel", "init"];

/// The folder `lib/capos` of an installed or built tree.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
}

impl Library {
    /// The library in this folder; nothing is read yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Library {
        Library { folder: folder.into() }
    }

    /// The names of the built-in programs (`NAME.elf` in the folder), sorted.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".elf").map(str::to_owned))
            .filter(|name| !NOT_PROGRAMS.contains(&name.as_str()) && !name.contains('.'))
            .collect();
        names.sort();
        names
    }

    /// The ELF of a built-in program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.elf"))
    }

    /// The CUE evaluator.
    #[must_use]
    pub fn manifest_tool(&self) -> PathBuf {
        self.folder.join("capos-manifest")
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
