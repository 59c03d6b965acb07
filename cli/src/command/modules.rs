//! The modules of a system, validated before it becomes an image.
//!
//! Called by `prepare` and `run` with what the model found, and by `check` for the parts of an image; calls the engine of
//! `capos-wasm`, with the very settings under which the module will run.
//!
//! Invariant: what is put into the image is what was validated: the bytes are read once. Callers show that work is under
//! way: a module of 400 MB takes 2 s.

use std::fs;

use capos_manifest_model::{Contents, Package, System};
use capos_wasm::engine;

use crate::failure::Failure;

/// Validates every module that a process of the package runs.
///
/// # Errors
/// The first one that no instance could start with, with what is wrong and where in it; or a file that cannot be read.
pub(crate) fn check(package: &mut Package) -> Result<(), Failure> {
    let Package { system, parts, .. } = package;
    for (name, contents) in parts.iter_mut().filter(|(name, _)| runs(system, name)) {
        if let Contents::File(path) = contents {
            let bytes = fs::read(&*path)
                .map_err(|error| Failure::request(format!("{}: cannot be read: {error}", path.display())))?;
            *contents = Contents::Bytes(bytes);
        }
        if let Contents::Bytes(bytes) = contents {
            check_one(system, name, bytes)?;
        }
    }
    Ok(())
}

/// Validates the module in this part, if a process runs it.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_part(system: &System, part: &str, bytes: &[u8]) -> Result<(), Failure> {
    if runs(system, part) { check_one(system, part, bytes) } else { Ok(()) }
}

fn runs(system: &System, part: &str) -> bool {
    system.processes.iter().any(|process| process.module.as_deref() == Some(part))
}

/// In a system of several processes the refusal names the first one that runs it.
fn check_one(system: &System, part: &str, bytes: &[u8]) -> Result<(), Failure> {
    engine::check(bytes).map_err(|refusal| {
        let process = system.processes.iter().find(|process| process.module.as_deref() == Some(part));
        let others = system.processes.iter().filter(|process| !process.is_driver()).count();
        match process.filter(|_| others > 1) {
            Some(process) => Failure::request(format!("process \"{}\": {refusal}", process.name)),
            None => Failure::request(refusal.to_string()),
        }
    })
}
