//! `capos check`: who holds what, in a manifest or in an image.
//!
//! Called by `command`; calls `capos-manifest-model` for the checks of a system and `image` for those of an image.
//!
//! Invariant: of an image every byte of every part is verified before anything is printed.

use std::fs;
use std::path::Path;

use capos_abi::image::{Image, MANIFEST};
use capos_manifest_model::{decode, describe, load, verify};

use crate::command::prepare;
use crate::command::target::{Kind, kind};
use crate::failure::Failure;
use crate::image;
use crate::layout::Layout;
use crate::options::CheckOptions;

/// Checks a file and prints what it grants.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(options: &CheckOptions) -> Result<(), Failure> {
    let file = &options.file;
    match kind(file)? {
        Kind::Manifest => check_manifest(file),
        Kind::Image => check_image(file),
        Kind::Module => Err(Failure::request(format!(
            "{}: is a module; `capos check` takes a .cue manifest or a boot image",
            file.display()
        ))),
    }
}

fn check_manifest(file: &Path) -> Result<(), Failure> {
    let layout = Layout::find()?;
    let package =
        load(&prepare::library(&layout), file).map_err(|refusals| prepare::manifest_refused(&refusals))?;
    super::print(&describe(&package.system))
}

fn check_image(file: &Path) -> Result<(), Failure> {
    let refuse = |reason: String| Failure::request(format!("{}: {reason}", file.display()));
    let bytes = fs::read(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let image = Image::parse(&bytes).map_err(|error| refuse(error.to_string()))?;
    let rows = image::verify(&image).map_err(|failure| refuse(failure.message))?;
    let manifest = image.verify(MANIFEST).map_err(|error| refuse(error.to_string()))?;
    let system = decode(manifest).map_err(|error| refuse(format!("part \"{MANIFEST}\": {error}")))?;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    verify(&system, &names).map_err(|refusals| prepare::manifest_refused(&refusals))?;
    let mut text = describe(&system);
    text.push_str("\nparts\n");
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    for row in &rows {
        text.push_str(&format!("  {:width$}  {:>10} bytes  sha256 {}\n", row.name, row.bytes, row.digest));
    }
    super::print(&text)
}
