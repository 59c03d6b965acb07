//! Sizes of what is built.
//!
//! Called by `main`; calls `capos build`.
//!
//! Invariant: the bytes of the files that ship, without symbols.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Counts;
use crate::machine::output;
use crate::symbols::Program;

/// Measures files of the build and a boot image.
///
/// # Errors
/// A file is missing, or the image cannot be built.
pub(crate) fn measure(root: &Path) -> Result<Counts, String> {
    let library = root.join("target/capos/lib/capos");
    let image = root.join("target/bench/hello-c.image");
    let mut build = Command::new(root.join("target/debug/capos"));
    output(
        build.current_dir(root).args(["build", "manifests/system-wasi-hello-c.cue", "--output"]).arg(&image),
    )?;
    let bytes = |path: &Path| fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()));
    let kernel = Program::read(library.join("kernel.elf.debug"))?;
    Ok([
        ("image-bytes", bytes(&image)?.len()),
        ("kernel-text-bytes", kernel.text_bytes()),
        ("wasm-host-bytes", bytes(&library.join("capos-wasm.elf"))?.len()),
    ]
    .map(|(name, size)| (name.to_owned(), size as f64))
    .into())
}
