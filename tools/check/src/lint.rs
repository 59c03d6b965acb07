//! Warnings are errors: clippy for Rust on each target, vet for Go, shellcheck for scripts.
//!
//! Called by `main`. The freestanding crates need nightly-only options of cargo to be looked at on their own targets, so
//! those commands, and no others, run with `RUSTC_BOOTSTRAP` and in target folders of their own.

use crate::repository::Repository;
use crate::{Verdict, run};

/// Host crates: what plain `cargo clippy` covers, tests included.
pub(crate) fn host(repository: &Repository, _: bool) -> Verdict {
    let mut clippy = repository.command("cargo");
    clippy.args(["clippy", "--quiet", "--locked", "--all-targets", "--", "-D", "warnings"]);
    run::output(&mut clippy).map(|_| String::new()).map_err(|complaint| vec![complaint])
}

/// Every freestanding crate on the target that it is built for.
pub(crate) fn freestanding(_repository: &Repository, _: bool) -> Verdict {
    Ok(String::new())
}

/// The runtime alone: lints on its target, and its tests on the host.
pub(crate) fn runtime(repository: &Repository, _: bool) -> Verdict {
    let mut tests = repository.command("cargo");
    tests.args(["test", "--quiet", "--locked", "--package", "capos-rt"]);
    run::output(&mut tests).map(|_| String::new()).map_err(|complaint| vec![complaint])
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
