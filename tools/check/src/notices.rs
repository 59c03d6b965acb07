//! `cli/notices.txt`: whose code the boot image, the host command and the manifest tool contain, with the texts of their
//! licences.
//!
//! Called by `generated`; asks cargo which crates and Go which modules a product is built from, and reads the texts in them.
//!
//! Invariant: equal lock files give equal files, whatever the machine.

use crate::products::GROUPS;
use crate::repository::{Repository, list_of, text_of};
use crate::{Verdict, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The generated file, from the root.
const FILE: &str = "cli/notices.txt";
/// Stands for every freestanding target: which crates a program has does not depend on the differences.
const FREESTANDING: &str = "x86_64-unknown-none";
/// How the names of files with terms begin.
const TERMS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// What the MIT licence says and no other: of several texts that a package offers, this is the one to reproduce.
const MIT_WORDS: &str = "Permission is hereby granted, free of charge";

const INTRODUCTION: &str = "\
capOS is licensed under either of the Apache License 2.0 or the MIT licence, at your choice.
What it is built from is listed here, with the terms as the packages state them; where there is a choice, MIT.

Everything contains parts of Rust's standard library (core, alloc, compiler_builtins; the command std too):
Copyright (c) The Rust Project Contributors, MIT OR Apache-2.0, compiler_builtins also Apache-2.0 WITH LLVM-exception.
The manifest tool contains parts of Go's standard library and runtime: Copyright 2009 The Go Authors, BSD-3-Clause, with
the terms below for golang.org/x/text.
";

/// The manifest tool.
const TOOL: &str = "tools/manifest";
/// What `go list` prints of each package: the module that it belongs to, if that is not our own.
const MODULE: &str =
    "{{with .Module}}{{if and .Version (not .Replace)}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}";
/// Words by which the terms of a Go module are known; Go states no licence expressions.
const KINDS: [(&str, &str); 3] = [
    (MIT_WORDS, "MIT"),
    ("Apache License", "Apache-2.0"),
    ("Redistribution and use in source and binary forms", "BSD-3-Clause"),
];

/// A crate of the registry: name, version and licence expression.
type Used = (String, String, String);

/// Compares the file with what it should be, or writes it.
pub(crate) fn check(repository: &Repository, fix: bool) -> Verdict {
    let wanted = text(repository).map_err(|complaint| vec![complaint])?;
    let path = repository.root().join(FILE);
    if fs::read_to_string(&path).is_ok_and(|present| present == wanted) {
        return Ok(String::new());
    }
    if !fix {
        return Err(vec![format!("{FILE} is not what Cargo.lock says; run `make generate`")]);
    }
    fs::write(&path, wanted).map(|()| String::new()).map_err(|error| vec![format!("{FILE}: {error}")])
}

fn text(repository: &Repository) -> Result<String, String> {
    let mut image = BTreeSet::new();
    for group in GROUPS.iter().filter(|group| !group.is_for_tests) {
        let packages: Vec<&str> = group.products.iter().map(|product| product.package).collect();
        image.extend(used(repository, &packages, Some(FREESTANDING))?);
    }
    let command = used(repository, &["capos-cli"], None)?;
    let modules = modules(repository)?;
    let tool: BTreeSet<Used> = modules.keys().cloned().collect();
    let mut text = INTRODUCTION.to_owned();
    let products = [
        ("What boots", &image),
        ("The command capos", &command),
        ("The manifest tool capos-manifest", &tool),
    ];
    for (title, crates) in products {
        text.push_str(&format!("\n\n{title}\n\n"));
        for (name, version, licence) in crates {
            text.push_str(&format!("{name} {version}: {licence}\n"));
        }
    }
    let all: BTreeSet<&Used> = image.iter().chain(&command).collect();
    for (terms, crates) in terms(repository.metadata()?, &all, modules) {
        let line = "-".repeat(100);
        text.push_str(&format!("\n{line}\n{}\n{line}\n\n{terms}\n", crates.join(", ")));
    }
    Ok(text)
}

/// The crates of the registry that these packages are linked from.
fn used(repository: &Repository, packages: &[&str], target: Option<&str>) -> Result<BTreeSet<Used>, String> {
    let mut cargo = repository.command("cargo");
    cargo.args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    cargo.args(["--format", "{p}|{l}"]).args(target.map(|name| format!("--target={name}")));
    cargo.args(packages.iter().map(|name| format!("--package={name}")));
    Ok(run::output(&mut cargo)?.lines().filter_map(crate_of).collect())
}

/// A line of cargo's: `name vVERSION|LICENCE`. Packages that are not the registry's carry their folder: our own are left out,
/// those under `vendor` are somebody else's.
fn crate_of(line: &str) -> Option<Used> {
    let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
    let (name, version) = package.split_once(" v")?;
    let (version, folder) = version.split_once(' ').unwrap_or((version, "vendor/"));
    folder.contains("vendor/").then(|| (name.to_owned(), version.to_owned(), licence.replace('/', " OR ")))
}

/// The modules that the manifest tool is linked from, each with all of its terms: Go has no choices to make.
fn modules(repository: &Repository) -> Result<BTreeMap<Used, BTreeSet<String>>, String> {
    let mut go = repository.command("go");
    go.current_dir(repository.root().join(TOOL)).args(["list", "-deps", "-f", MODULE, "."]);
    let mut found = BTreeMap::new();
    for line in run::output(&mut go)?.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(version), Some(folder)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("go list says \"{line}\""));
        };
        let texts = texts_in(Path::new(folder));
        let kinds = kinds(&texts);
        if kinds.is_empty() {
            return Err(format!("{name} {version}: terms of no kind that is known here"));
        }
        found.insert((name.to_owned(), version.to_owned(), kinds), texts);
    }
    Ok(found)
}

fn kinds(texts: &BTreeSet<String>) -> String {
    let has = |words: &str| texts.iter().any(|text| text.contains(words));
    let kinds: Vec<&str> = KINDS.iter().filter(|(words, _)| has(words)).map(|(_, kind)| *kind).collect();
    kinds.join(" AND ")
}

/// Each text of terms once, with the crates that carry it, in the order of their names.
fn terms(
    metadata: &Value,
    crates: &BTreeSet<&Used>,
    modules: BTreeMap<Used, BTreeSet<String>>,
) -> Vec<(String, Vec<String>)> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version, _) in crates {
        let is_it =
            |package: &&Value| text_of(package, "name") == name && text_of(package, "version") == version;
        let Some(package) = list_of(metadata, "packages").iter().find(is_it) else { continue };
        let folder = Path::new(text_of(package, "manifest_path")).parent().unwrap_or(Path::new(""));
        let mut texts = chosen(texts_in(folder));
        if texts.is_empty() {
            let authors: Vec<&str> = list_of(package, "authors").iter().filter_map(Value::as_str).collect();
            let authors = if authors.is_empty() { name.as_str().into() } else { authors.join(", ") };
            texts.insert(format!("The package has no text of its terms. Its authors: {authors}."));
        }
        for text in texts {
            found.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    for ((name, version, _), texts) in modules {
        for text in texts {
            found.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    let mut sorted: Vec<(String, Vec<String>)> = found.into_iter().collect();
    sorted.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    sorted
}

/// The terms in a package's folder, without differences in white space at the ends of lines.
fn texts_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let has_terms = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        TERMS.iter().any(|term| name.starts_with(term))
    };
    entries
        .filter(has_terms)
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .map(|text| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
        .map(|text| text.trim_matches('\n').to_owned())
        .collect()
}

/// Where a crate offers several terms, those that are chosen.
fn chosen(texts: BTreeSet<String>) -> BTreeSet<String> {
    let chosen: BTreeSet<String> = texts.iter().filter(|text| text.contains(MIT_WORDS)).cloned().collect();
    if chosen.is_empty() { texts } else { chosen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_packages_are_left_out() {
        let used = |name: &str, version: &str, licence: &str| {
            Some((name.to_owned(), version.to_owned(), licence.to_owned()))
        };
        assert_eq!(crate_of("spin v0.9.9|MIT"), used("spin", "0.9.9", "MIT"));
        assert_eq!(crate_of("wasmi v2.0.0|MIT/Apache-2.0 (*)"), used("wasmi", "2.0.0", "MIT OR Apache-2.0"));
        assert_eq!(crate_of("capos-abi v0.1.0 (folder/capos-abi)|MIT OR Apache-2.0"), None);
        assert_eq!(crate_of("spin v0.9.9 (folder/vendor/spin)|MIT"), used("spin", "0.9.9", "MIT"));
    }

    #[test]
    fn terms_are_known_by_their_words() {
        let kinds = |texts: &[&str]| kinds(&texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(
            kinds(&["x Apache License y", "Permission is hereby granted, free of charge"]),
            "MIT AND Apache-2.0"
        );
        assert_eq!(kinds(&["Redistribution and use in source and binary forms"]), "BSD-3-Clause");
        assert_eq!(kinds(&["mine"]), "");
    }
}
