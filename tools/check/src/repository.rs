//! The repository as the checks see it: its root, its files, its packages.
//!
//! Called by every check; calls `git` for the list of files and `cargo metadata` for the packages.
//!
//! Invariant: only files that git tracks, or would offer to track, are looked at; build products never are.

use crate::run;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The clone that this program was built in.
pub(crate) struct Repository {
    root: PathBuf,
    files: Vec<String>,
    vendored: Vec<String>,
    metadata: OnceLock<Result<Value, String>>,
}

impl Repository {
    /// Finds the root and lists the files.
    pub(crate) fn open() -> Result<Self, String> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.ancestors().nth(2).ok_or("this crate is not inside the repository")?.to_path_buf();
        let mut git = Command::new("git");
        git.arg("-C").arg(&root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut files: Vec<String> = run::output(&mut git)?.lines().map(str::to_owned).collect();
        files.retain(|file| root.join(file).is_file());
        files.sort();
        files.dedup();
        // What others wrote is judged by `vendored` alone: every file of a fork.
        let (vendored, files) = files.into_iter().partition(|file| is_vendored(file));
        Ok(Self { root, files, vendored, metadata: OnceLock::new() })
    }

    /// The folder that everything is in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The paths from the root of all files with this ending, sorted.
    pub(crate) fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a str> {
        self.files.iter().map(String::as_str).filter(move |file| file.ends_with(ending))
    }

    /// The paths from the root of all files of forks.
    pub(crate) fn vendored(&self) -> impl Iterator<Item = &str> {
        self.vendored.iter().map(String::as_str)
    }

    /// The text of a file; `None` if it is not text.
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(file)).ok()
    }

    /// A command that runs in the root.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // What cargo tells the program it runs is not meant for the programs that this one runs.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// What `cargo metadata` says about the workspace and everything it depends on.
    pub(crate) fn metadata(&self) -> Result<&Value, String> {
        let read = || {
            let mut cargo = self.command("cargo");
            let text = run::output(cargo.args(["metadata", "--format-version", "1", "--locked"]))?;
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
        };
        self.metadata.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

/// True for a path from the root that leads into a fork: `vendor/GROUP/NAME/...`. What stands beside a fork is our own.
pub(crate) fn is_vendored(file: &str) -> bool {
    file.strip_prefix("vendor/").is_some_and(|rest| rest.split('/').count() > 2)
}

/// A field of a JSON object as text; empty if it is absent or not text.
pub(crate) fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A field of a JSON object as a list; empty if it is absent or not a list.
pub(crate) fn list_of<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
