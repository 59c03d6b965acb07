//! What the project depends on: licences, where it comes from, exact versions, and no crate twice without a reason.
//!
//! Called by `main`; reads `cargo metadata`, and runs `cargo deny` too where that is installed.

use crate::repository::{Repository, list_of, text_of};
use crate::{Verdict, licence, run};
use serde_json::Value;
use std::collections::BTreeMap;

/// Crates that occur in several versions, and why that cannot be helped.
const DUPLICATES: &[(&str, &str)] = &[
    ("spin", "wasmi 2.0.0 is at 0.9"),
    ("syn", "build time only: zerocopy-derive is at 2, clap and serde are at 3"),
    ("wasmparser", "wasmi 2.0.0 is at 0.228; the text parser on the host is newer"),
];

/// Checks every package of the lock file.
pub(crate) fn check(repository: &Repository, _: bool) -> Verdict {
    let metadata = repository.metadata().map_err(|complaint| vec![complaint])?;
    let packages = list_of(metadata, "packages");
    let mut complaints = Vec::new();
    for package in packages {
        complaints.extend(bad_licence(package));
        complaints.extend(bad_source(repository, package));
        if !is_fork(repository, package) {
            complaints.extend(unpinned(package));
        }
    }
    complaints.extend(duplicates(packages));
    if run::is_installed("cargo-deny") {
        let mut deny = repository.command("cargo");
        deny.args(["deny", "--offline", "--all-features", "check", "bans", "sources"]);
        complaints.extend(run::output(&mut deny).err());
    }
    if complaints.is_empty() { Ok(format!("{} packages", packages.len())) } else { Err(complaints) }
}

/// A package's name and version.
fn shown(package: &Value) -> String {
    format!("{} {}", text_of(package, "name"), text_of(package, "version"))
}

fn bad_licence(package: &Value) -> Option<String> {
    let licence = text_of(package, "license");
    (!licence::is_accepted(licence)).then(|| {
        format!("{}: the licence \"{licence}\" is not accepted (tools/check/src/licence.rs)", shown(package))
    })
}

/// A package comes from the registry, or from a folder of this repository.
fn bad_source(repository: &Repository, package: &Value) -> Option<String> {
    let source = text_of(package, "source");
    let manifest = text_of(package, "manifest_path");
    let is_own = source.is_empty() && std::path::Path::new(manifest).starts_with(repository.root());
    (!is_own && !source.starts_with("registry+"))
        .then(|| format!("{}: comes from {source}{manifest}, not from the registry", shown(package)))
}

/// A package in vendor/ asks for what its release asks for; Cargo.lock says which versions that are.
fn is_fork(repository: &Repository, package: &Value) -> bool {
    std::path::Path::new(text_of(package, "manifest_path")).starts_with(repository.root().join("vendor"))
}

/// What our own packages ask of the registry names one exact version.
fn unpinned(package: &Value) -> Vec<String> {
    if !text_of(package, "source").is_empty() {
        return Vec::new();
    }
    let from_registry = |dependency: &&Value| !text_of(dependency, "source").is_empty();
    let loose = |dependency: &&Value| !text_of(dependency, "req").starts_with('=');
    list_of(package, "dependencies")
        .iter()
        .filter(from_registry)
        .filter(loose)
        .map(|dependency| {
            let (name, version) = (text_of(dependency, "name"), text_of(dependency, "req"));
            format!("{}: {name} = \"{version}\" is not an exact version", text_of(package, "name"))
        })
        .collect()
}

/// Crates in several versions that `DUPLICATES` does not explain, and explanations of what no longer is.
fn duplicates(packages: &[Value]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(text_of(package, "name")).or_default().push(text_of(package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let explained = |name: &str| DUPLICATES.iter().any(|(known, _)| *known == name);
    let unexplained = versions.iter().filter(|(name, _)| !explained(name)).map(|(name, versions)| {
        format!("{name}: versions {}; use one, or give the reason in DUPLICATES", versions.join(" and "))
    });
    let stale = DUPLICATES.iter().filter(|(name, _)| !versions.contains_key(name));
    let stale = stale.map(|(name, reason)| format!("{name}: is no duplicate any more (\"{reason}\")"));
    unexplained.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_loose_version_is_found() {
        let package = json!({"name": "a", "dependencies": [
            {"name": "b", "req": "=1.0.0", "source": "registry+x"},
            {"name": "c", "req": "^1", "source": "registry+x"},
            {"name": "d", "req": "*", "source": null},
        ]});
        assert_eq!(unpinned(&package), ["a: c = \"^1\" is not an exact version"]);
    }

    #[test]
    fn an_unexplained_duplicate_is_found() {
        let packages = [json!({"name": "a", "version": "1"}), json!({"name": "a", "version": "2"})];
        assert_eq!(
            duplicates(&packages).iter().filter(|found| found.starts_with("a: versions 1 and 2")).count(),
            1
        );
    }
}
