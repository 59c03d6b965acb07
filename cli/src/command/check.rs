//! `capos check`: who holds what, in a manifest or in an image.
//!
//! Called by `command`; calls `capos-manifest-model` for the checks of a system and `image` for those of an image.
//!
//! Invariant: of an image every byte of every part is verified before anything is printed.

use std::path::Path;

use capos_abi::image::{Image, MANIFEST};
use capos_manifest_model::{System, decode, describe, describe_json, verify};
use serde_json::json;

use crate::command::prepare;
use crate::command::target::{self, Subject, Verb};
use crate::failure::Failure;
use crate::image::{self, PartRow};
use crate::layout::Layout;
use crate::options::CheckOptions;

/// Checks a file and prints what it grants.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(options: &CheckOptions) -> Result<(), Failure> {
    let file = &options.file;
    let (system, parts) = match target::open(file, Verb::Check)? {
        Subject::Image { bytes, .. } => image(file, &bytes).map(|(system, parts)| (system, Some(parts)))?,
        Subject::Manifest | Subject::Module(_) => (manifest(file)?, None),
    };
    super::print(&if options.json {
        json(&system, parts.as_deref())
    } else {
        text(&system, parts.as_deref())
    })
}

fn manifest(file: &Path) -> Result<System, Failure> {
    let layout = Layout::find()?;
    let package = prepare::load(&prepare::library(&layout), file)?;
    Ok(package.system)
}

fn image(file: &Path, bytes: &[u8]) -> Result<(System, Vec<PartRow>), Failure> {
    let refuse = |reason: String| Failure::request(format!("{}: {reason}", file.display()));
    let image = Image::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    let rows = image::verify(&image, bytes).map_err(|failure| refuse(failure.message))?;
    let manifest = image.verify(MANIFEST).map_err(|error| refuse(error.to_string()))?;
    let system = decode(manifest).map_err(|error| refuse(format!("part \"{MANIFEST}\": {error}")))?;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    verify(&system, &names).map_err(|refusals| prepare::manifest_refused(&refusals))?;
    Ok((system, rows))
}

fn text(system: &System, parts: Option<&[PartRow]>) -> String {
    let mut text = describe(system);
    let Some(rows) = parts else { return text };
    text.push_str("\nparts\n");
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in rows {
        text.push_str(&format!("  {:width$}  {:>10} bytes  sha256 {}\n", row.name, row.bytes, row.digest));
    }
    text
}

/// The object of the system, for an image with its parts.
fn json(system: &System, parts: Option<&[PartRow]>) -> String {
    let mut object = describe_json(system);
    if let Some(rows) = parts {
        let part = |row: &PartRow| json!({"name": row.name, "bytes": row.bytes, "sha256": row.digest});
        object["parts"] = rows.iter().map(part).collect();
    }
    object.to_string()
}
