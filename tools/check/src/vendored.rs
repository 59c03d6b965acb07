//! `vendor/`: that each fork is its upstream's release with the patch beside it, no more and no less.
//!
//! Called by `main`; calls `git apply` to take a patch back in a folder of its own. In `vendor/GROUP/`, `NAME.sha256` lists the files of the
//! release that were taken over, `NAME.patch` what was changed in them.
//!
//! Invariant: nothing is fetched. What passes here can be made from the release and the patch alone.

use crate::Verdict;
use crate::repository::Repository;
use crate::run;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compares every fork with its list.
pub(crate) fn check(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut names = Vec::new();
    for list in repository.with_ending(".sha256").filter(|file| file.starts_with("vendor/")) {
        let Some(fork) = list.strip_suffix(".sha256") else { continue };
        names.push(fork.to_owned());
        complaints.extend(check_fork(repository, fork).err());
    }
    for file in repository.vendored() {
        if !names.iter().any(|name| file.starts_with(&format!("{name}/"))) {
            complaints.push(format!("{file}: belongs to no list vendor/GROUP/NAME.sha256"));
        }
    }
    if complaints.is_empty() { Ok(names.join(", ")) } else { Err(complaints) }
}

/// Takes the patch of `vendor/GROUP/NAME` back and compares all files.
fn check_fork(repository: &Repository, fork: &str) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("capos-check-vendored-{}", std::process::id()));
    let answer = released(repository, fork, &folder);
    // What cannot be removed lies in the folder for temporary files.
    let _ = fs::remove_dir_all(&folder);
    let (found, wanted) = (answer?, list(&repository.text(&format!("{fork}.sha256")).unwrap_or_default()));
    let different = found.iter().find(|(file, hash)| wanted.get(*file) != Some(*hash));
    let missing = wanted.keys().find(|file| !found.contains_key(*file));
    match (different, missing) {
        (None, None) => Ok(()),
        (Some((file, _)), _) => Err(format!("{fork}/{file}: is not the release's with {fork}.patch")),
        (_, Some(file)) => Err(format!("{fork}/{file}: is missing")),
    }
}

/// The hashes of the fork's files without the patch.
fn released(repository: &Repository, fork: &str, folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let name = fork.rsplit('/').next().unwrap_or(fork);
    let inside = format!("{fork}/");
    let mut files = Vec::new();
    for file in repository.vendored().filter_map(|file| file.strip_prefix(&inside)) {
        let copy = folder.join(name).join(file);
        let made = copy.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::copy(repository.root().join(fork).join(file), &copy))
            .map_err(|error| format!("{}: {error}", copy.display()))?;
        files.push((file.to_owned(), copy));
    }
    let mut git = Command::new("git");
    git.current_dir(folder).env("GIT_CEILING_DIRECTORIES", folder).args(["apply", "--reverse", "-p1"]);
    run::output(git.arg(repository.root().join(format!("{fork}.patch"))))?;
    let hash = |(file, copy): (String, std::path::PathBuf)| {
        let bytes = fs::read(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        Ok((file, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    files.into_iter().map(hash).collect()
}

/// Reads lines `HASH  FILE`.
fn list(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(hash, file)| (file.to_owned(), hash.to_owned())).collect()
}
