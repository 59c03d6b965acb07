//! Builds the native programs of `tests/kernel`.
//!
//! Called by `main` once, before anything boots; calls Cargo, whose build of `capos-image` with the feature `tests` puts
//! them into `target/capos/tests`.
//!
//! Invariant: what is booted is what the sources say now.

use std::process::Command;

use crate::place::Place;

/// Builds them.
///
/// # Errors
/// They do not compile.
pub(crate) fn build(place: &Place) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "capos-image", "--features", "tests"])
        .current_dir(&place.root)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the native programs do not build: {}", String::from_utf8_lossy(&output.stderr)))
}
