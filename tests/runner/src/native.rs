//! Builds the native programs of `tests/kernel`, and writes the seed that one of them reads.
//!
//! Called by `main` once, before anything boots; calls Cargo, whose build of `capos-image` with the feature `tests` puts
//! them into `target/capos/tests`, and with the feature `debug` everything that boots into `target/capos/debug`.
//!
//! Invariant: what is booted is what the sources say now.

use std::fs;
use std::process::Command;

use crate::place::Place;

/// Builds them, and the debug build if it is wanted; `seed` becomes the part that the manifest `fuzz.cue` names.
///
/// # Errors
/// They do not compile, or the seed cannot be written.
pub(crate) fn build(place: &Place, seed: u64, wants_debug: bool) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "capos-image", "--features"])
        .arg(if wants_debug { "tests,debug" } else { "tests" })
        .current_dir(&place.root)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        let file = place.root.join("target/capos/tests/seed.txt");
        return fs::write(&file, seed.to_string()).map_err(|error| format!("{}: {error}", file.display()));
    }
    Err(format!("the native programs do not build: {}", String::from_utf8_lossy(&output.stderr)))
}
