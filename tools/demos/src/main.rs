//! `capos-demos`: builds WebAssembly guests from Rust, C and text.
//!
//! Called by the Makefile, by `cargo build-demos-capos` and by the tests as `capos-demos [NAME | FOLDER]...`; a NAME is a
//! folder of `demos/`, and no name at all means every guest among them. A folder with a `Cargo.toml` is a Rust program, one
//! with `.c` files a C program, one with a `.wat` file a module written by hand. The product is
//! `target/capos/demos/<folder's name>.wasm`, where the manifests look for it. A package of this repository's workspace is a
//! native program; `kernel/image` builds it.
//!
//! Invariant: a product is replaced only by a complete new one, and not touched when it is the same.
#![forbid(unsafe_code)]

mod build;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The repository's root; this crate is two folders below it.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match folders(&names).and_then(|folders| folders.iter().try_for_each(|folder| build::build(folder))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("capos-demos: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The folders that the arguments mean.
fn folders(names: &[String]) -> Result<Vec<PathBuf>, String> {
    let demos = root().join("demos");
    if !names.is_empty() {
        return names.iter().map(|name| folder(&demos, name)).collect();
    }
    let entries = std::fs::read_dir(&demos).map_err(|error| format!("{}: {error}", demos.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !is_native(path))
        .collect();
    found.sort();
    Ok(found)
}

/// Whether a folder is a package of this repository's workspace: a guest is a workspace of its own.
fn is_native(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|package| !package.lines().any(|line| line.trim() == "[workspace]"))
}

/// The folder that one argument means: a path if it has a slash, else a folder of `demos/`.
fn folder(demos: &Path, name: &str) -> Result<PathBuf, String> {
    let path = if name.contains('/') { PathBuf::from(name) } else { demos.join(name) };
    if !path.is_dir() {
        return Err(format!("{}: there is no such folder", path.display()));
    }
    if is_native(&path) {
        let path = path.display();
        return Err(format!("{path}: a native program; `cargo build --features qemu` builds it"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_guest() {
        let found = folders(&[]).expect("demos/ is there");
        let names: Vec<_> =
            found.iter().filter_map(|folder| folder.file_name().and_then(|name| name.to_str())).collect();
        assert!(["wasi-hello-c", "wasi-hello-rust", "wasm-empty"].iter().all(|name| names.contains(name)));
        assert!(!names.contains(&"smoke"));
    }

    #[test]
    fn a_native_program_is_no_guest() {
        let told = folders(&["smoke".to_owned()]).expect_err("smoke is native");
        assert!(told.ends_with("demos/smoke: a native program; `cargo build --features qemu` builds it"));
        assert!(folders(&["nothing".to_owned()]).is_err());
    }
}
