//! Finds the case files of a suite.
//!
//! Called by `main`; calls `case` and the file system.
//!
//! Invariant: every `.toml` file under a suite's folder is a case, except Cargo's own, and comes back exactly once, in
//! the order of its path.

use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Case;

/// A case and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The file, relative to `tests/`: its name in reports.
    pub(crate) name: String,
    /// The folder that its paths are relative to.
    pub(crate) folder: PathBuf,
    /// What it says.
    pub(crate) case: Case,
}

/// Folders that hold sources of programs, never cases.
const NOT_CASES: [&str; 3] = ["src", "runner", "target"];

/// The folders of `tests/` that hold cases: all but those of programs.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn suites(tests: &Path) -> Result<Vec<String>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", tests.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(tests).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !NOT_CASES.contains(&name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Every case under `tests/suite`.
///
/// # Errors
/// The first file that cannot be read or is malformed, by name.
pub(crate) fn cases(tests: &Path, suite: &str) -> Result<Vec<Found>, String> {
    let mut files = Vec::new();
    collect(&tests.join(suite), &mut files)?;
    files.sort();
    files.iter().map(|file| read(tests, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !NOT_CASES.contains(&name) && !path.join("Cargo.toml").is_file() {
                collect(&path, files)?;
            }
        } else if name.ends_with(".toml") && name != "Cargo.toml" {
            files.push(path);
        }
    }
    Ok(())
}

fn read(tests: &Path, file: &Path) -> Result<Found, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    let mut case = Case::parse(&text).map_err(|error| told(&error))?;
    let folder = file.parent().unwrap_or(tests).to_owned();
    case.load(&folder).map_err(|error| told(&error))?;
    let name = file.strip_prefix(tests).unwrap_or(file).display().to_string();
    Ok(Found { name, folder, case })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_in_subfolders_and_programs_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let case = "summary = 's'\nguest = 'a.wat'\n[[run]]\nname = 'r'\n";
        for path in ["one/b.toml", "one/deep/a.toml"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, case).unwrap();
        }
        for path in ["one/Cargo.toml", "one/src/x.toml", "one/guest/Cargo.toml", "one/guest/y.toml"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "not a case").unwrap();
        }
        let names: Vec<String> =
            cases(folder.path(), "one").unwrap().into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["one/b.toml", "one/deep/a.toml"]);
        fs::create_dir_all(folder.path().join("runner/src")).unwrap();
        fs::create_dir_all(folder.path().join("empty")).unwrap();
        assert_eq!(suites(folder.path()).unwrap(), ["empty", "one"]);
    }
}
