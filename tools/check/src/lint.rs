//! Warnings are errors: clippy for Rust on each target, vet for Go, shellcheck for scripts.
//!
//! Called by `main`. The freestanding crates need nightly-only options of cargo to be looked at on their own targets, so
//! those commands, and no others, run with `RUSTC_BOOTSTRAP` and in target folders of their own.

use crate::products::{GROUPS, Group};
use crate::repository::Repository;
use crate::{Verdict, run};
use std::process::Command;

/// Host crates: what plain `cargo clippy` covers, tests included.
pub(crate) fn host(repository: &Repository, _: bool) -> Verdict {
    let mut clippy = repository.command("cargo");
    clippy.args(["clippy", "--quiet", "--locked", "--all-targets", "--", "-D", "warnings"]);
    run::output(&mut clippy).map(|_| String::new()).map_err(|complaint| vec![complaint])
}

/// Every freestanding crate, on the target and with the configuration that the build has for it.
pub(crate) fn freestanding(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut count = 0;
    for group in GROUPS {
        let packages: Vec<&str> = group.products.iter().map(|product| product.package).collect();
        count += packages.len();
        if !packages.is_empty() {
            complaints.extend(run::output(&mut clippy_for(repository, group, &packages)).err());
        }
    }
    if complaints.is_empty() { Ok(format!("{count} programs")) } else { Err(complaints) }
}

/// The runtime alone: lints on its target, and its tests on the host.
pub(crate) fn runtime(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    for group in GROUPS.iter().filter(|group| group.folder == "user") {
        complaints.extend(run::output(&mut clippy_for(repository, group, &["capos-rt"])).err());
    }
    let mut tests = repository.command("cargo");
    tests.args(["test", "--quiet", "--locked", "--package", "capos-rt"]);
    complaints.extend(run::output(&mut tests).err());
    if complaints.is_empty() { Ok(String::new()) } else { Err(complaints) }
}

/// Clippy over packages of one group of freestanding programs.
fn clippy_for(repository: &Repository, group: &Group, packages: &[&str]) -> Command {
    let mut clippy = repository.command("cargo");
    clippy.args(["clippy", "--quiet", "--locked", "-Zbuild-std=core,alloc,compiler_builtins"]);
    if group.target.ends_with(".json") {
        clippy.args(["-Zjson-target-spec", "--target", &format!("targets/{}", group.target)]);
    } else {
        clippy.args(["--target", group.target]);
    }
    for package in packages {
        clippy.args(["--package", package]);
    }
    clippy.args(["--target-dir", "target/check", "--", "-D", "warnings"]);
    let settings: Vec<&str> = group.flags.iter().copied().filter(|flag| flag.starts_with("--cfg")).collect();
    clippy.env("CARGO_ENCODED_RUSTFLAGS", settings.join("\u{1f}")).env("RUSTC_BOOTSTRAP", "1");
    clippy
}

/// The Go tools.
pub(crate) fn go(repository: &Repository, _: bool) -> Verdict {
    let mut vet = repository.command("go");
    vet.current_dir(repository.root().join("tools/manifest"));
    run::output(vet.args(["vet", "./..."])).map(|_| String::new()).map_err(|complaint| vec![complaint])
}

/// Every script; files that are sourced are covered through those that source them.
pub(crate) fn shell(repository: &Repository, _: bool) -> Verdict {
    let is_script = |file: &&str| repository.text(file).is_some_and(|text| is_shell(&text));
    let scripts: Vec<&str> = repository.with_ending("").filter(is_script).collect();
    let mut shellcheck = repository.command("shellcheck");
    run::output(shellcheck.arg("--external-sources").args(&scripts))
        .map(|_| format!("{} scripts", scripts.len()))
        .map_err(|complaint| vec![complaint])
}

/// Whether a text's first line names a shell.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("#!") && (first.ends_with("sh") || first.ends_with("bash"))
}
