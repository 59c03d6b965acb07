//! Turns what a case calls its guest into a file that `capos run` takes.
//!
//! Called by `judge` and by checks that rebuild a guest; calls `capos-demos` for whatever needs a compiler.
//!
//! Invariant: two guests never share a product, and one guest is built once per run of the suites.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::place::Place;

/// Builds guests, each once.
pub(crate) struct Guests {
    place: Place,
    built: Mutex<BTreeMap<PathBuf, Result<PathBuf, String>>>,
}

impl Guests {
    /// Nothing is built yet.
    pub(crate) fn new(place: &Place) -> Guests {
        Guests { place: place.clone(), built: Mutex::new(BTreeMap::new()) }
    }

    /// The file to run for `source`: itself for a module, a product for sources.
    ///
    /// # Errors
    /// There is no such source, or it does not compile.
    pub(crate) fn file(&self, source: &Path) -> Result<PathBuf, String> {
        let source = source.canonicalize().map_err(|error| format!("{}: {error}", source.display()))?;
        let Ok(mut built) = self.built.lock() else { return Err("an earlier build panicked".to_owned()) };
        if let Some(known) = built.get(&source) {
            return known.clone();
        }
        let made = self.make(&source);
        built.insert(source, made.clone());
        made
    }

    fn make(&self, source: &Path) -> Result<PathBuf, String> {
        let extension = source.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            "c" => self.single(source, &[("main.c", source)], None),
            "rs" => self.single(source, &[("src/main.rs", source)], Some(())),
            _ if source.is_dir() => self.demo(source),
            _ => Ok(source.to_owned()),
        }
    }

    /// Puts one source file into a folder of its own, as `capos-demos` wants it, and builds that.
    fn single(&self, source: &Path, files: &[(&str, &Path)], package: Option<()>) -> Result<PathBuf, String> {
        let stem = source.file_stem().and_then(|stem| stem.to_str()).unwrap_or("guest");
        let kind = if package.is_some() { "rust" } else { "c" };
        let name = format!("test-{stem}-{kind}");
        let folder = self.place.guests().join(&name);
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder.join("src")).map_err(told)?;
        for (file, from) in files {
            copy_if_changed(from, &folder.join(file)).map_err(told)?;
        }
        if package.is_some() {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
                 [profile.release]\npanic = \"abort\"\n\n[workspace]\n"
            );
            let lock = format!("version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
            write_if_changed(manifest.as_bytes(), &folder.join("Cargo.toml")).map_err(told)?;
            write_if_changed(lock.as_bytes(), &folder.join("Cargo.lock")).map_err(told)?;
        }
        self.demo(&folder)
    }

    /// Builds a folder with `capos-demos`.
    fn demo(&self, folder: &Path) -> Result<PathBuf, String> {
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--locked", "--package", "capos-demos", "--"])
            .arg(folder)
            .current_dir(&self.place.root)
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr)));
        }
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let product = self.place.demos().join(format!("{name}.wasm"));
        if product.is_file() { Ok(product) } else { Err(format!("{}: was not built", product.display())) }
    }
}

/// Copies a file unless the same bytes are there: a build then has nothing to do.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> std::io::Result<()> {
    write_if_changed(&fs::read(from)?, to)
}

/// Writes a file unless the same bytes are there.
pub(crate) fn write_if_changed(bytes: &[u8], to: &Path) -> std::io::Result<()> {
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(to, bytes)
}
