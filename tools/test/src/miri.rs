//! The pure crates under Miri, where the nightly that has it is installed.
//!
//! Called by `steps`. Nothing is installed here: `tools/setup/setup miri` does that for those who want it.
//!
//! Invariant: without that nightly there is no step, and a line says so by name.

use std::path::PathBuf;

/// The nightly whose Miri is known to run these crates; `tools/setup/rust.sh` installs the same.
const NIGHTLY: &str = "nightly-2026-06-01";

/// The words of the command, with the compiler's folder first in PATH, or none if it is not there.
pub(crate) fn command() -> Option<Vec<String>> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let rustup = std::env::var_os("RUSTUP_HOME").map_or_else(|| home.join(".rustup"), PathBuf::from);
    let toolchain = rustup.join("toolchains").join(format!("{NIGHTLY}-x86_64-unknown-linux-gnu"));
    let sources = toolchain.join("lib/rustlib/src/rust/library/core");
    if !toolchain.join("bin/cargo-miri").is_file() || !sources.is_dir() {
        println!(
            "skip  miri: there is no {NIGHTLY} with it; `tools/setup/setup miri` installs it with rustup"
        );
        return None;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let words = "MIRIFLAGS=-Zmiri-strict-provenance cargo miri test --locked --target-dir target/miri \
                 --package capos-abi --package capos-kernel-core --lib";
    let first = format!("PATH={}:{path}", toolchain.join("bin").display());
    Some(std::iter::once(first).chain(words.split(' ').map(str::to_owned)).collect())
}
