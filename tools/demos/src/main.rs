//! `capos-demos`: builds WebAssembly guests from Rust, C and text.
//!
//! Called by the Makefile, by `cargo build-demos-capos` and by the tests as `capos-demos [NAME | FOLDER]...`; a NAME is a
//! folder of `demos/`, and no name at all means every one of them. A folder with a `Cargo.toml` is a Rust program, one
//! with `.c` files a C program, one with a `.wat` file a module written by hand. The product is
//! `target/capos/demos/<folder's name>.wasm`, where the manifests look for it.
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
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

/// The folder that one argument means: a path if it has a slash, else a folder of `demos/`.
fn folder(demos: &Path, name: &str) -> Result<PathBuf, String> {
    let path = if name.contains('/') { PathBuf::from(name) } else { demos.join(name) };
    if path.is_dir() { Ok(path) } else { Err(format!("{}: there is no such folder", path.display())) }
}
