//! Generated files: formatting them, writing them, and telling which of the committed ones differ.
//!
//! Called by `main`; calls `rustfmt`, so that generated code reads like the rest and passes the format check.
//!
//! Invariant: `compare` writes nothing; `write` touches only files whose contents change.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A file to be: its path from the root of the repository, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The files, each run through `rustfmt` with the repository's configuration.
pub(crate) fn formatted(root: &Path, files: Vec<File>) -> Result<Vec<File>, String> {
    files
        .into_iter()
        .map(|file| {
            let text = format_text(root, &file.text).map_err(|error| format!("{}: {error}", file.path))?;
            Ok(File { path: file.path, text })
        })
        .collect()
}

fn format_text(root: &Path, text: &str) -> Result<String, String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run rustfmt: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(|error| format!("rustfmt: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    if !output.status.success() {
        return Err("rustfmt refused the generated code".into());
    }
    String::from_utf8(output.stdout).map_err(|error| format!("rustfmt: {error}"))
}

/// The paths of the files that are not on disk as they should be, and of generated files that should not be there.
pub(crate) fn compare(root: &Path, files: &[File]) -> Result<Vec<String>, String> {
    let differs =
        |file: &&File| std::fs::read_to_string(root.join(&file.path)).ok().as_ref() != Some(&file.text);
    let mut drifted: Vec<String> = files.iter().filter(differs).map(|file| file.path.clone()).collect();
    drifted.extend(left_over(root, files));
    Ok(drifted)
}

/// Writes the files and removes generated ones that are no more.
pub(crate) fn write(root: &Path, files: &[File]) -> Result<(), String> {
    for file in files {
        let path = root.join(&file.path);
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        if std::fs::read_to_string(&path).ok().as_ref() == Some(&file.text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        std::fs::write(&path, &file.text).map_err(fail)?;
    }
    for path in left_over(root, files) {
        std::fs::remove_file(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

/// Files in the folders of generated code that nothing generates.
fn left_over(root: &Path, files: &[File]) -> Vec<String> {
    let folders =
        ["schema/src/generated", "capos-rt/src/clients/generated", "capos-rt/src/servers/generated"];
    let entries = folders.iter().flat_map(|folder| {
        let names = std::fs::read_dir(root.join(folder)).into_iter().flatten();
        names.filter_map(move |entry| Some(format!("{folder}/{}", entry.ok()?.file_name().to_str()?)))
    });
    entries.filter(|path| !files.iter().any(|file| file.path == *path)).collect()
}
