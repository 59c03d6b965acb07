//! `capos check` and `capos graph`: who holds what, and who may call whom, in a manifest or in an image.
//!
//! Called by `command`; calls `capos-manifest-model` for the checks of a system and `image` for those of an image.
//!
//! Invariant: of an image every byte of every part is verified before anything of it is printed.

use std::path::Path;

use capos_abi::image::{Image, MANIFEST};
use capos_manifest_model::{Refusal, Refusals, System, decode, describe, describe_json, load, verify};
use serde_json::{Value, json};

use crate::command::target::{self, Subject, Verb};
use crate::command::{modules, prepare};
use crate::failure::Failure;
use crate::image::{self, PartRow};
use crate::layout::Layout;
use crate::options::{CheckOptions, GraphOptions};
use crate::progress::Progress;

/// A system, and the parts of the image that it comes from.
type Checked = (System, Option<Vec<PartRow>>);

/// Why a file is refused.
enum Refused {
    /// As a whole.
    File(Failure),
    /// For what its manifest says, or for what an image's manifest says.
    Manifest(Refusals),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::File(failure)
    }
}

/// Checks a file and prints what it grants. With `--json` a refusal is printed as an object too, on standard output.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(options: &CheckOptions) -> Result<(), Failure> {
    match checked(&options.file) {
        Ok((system, parts)) if options.json => super::print(&json(&system, parts.as_deref())),
        Ok((system, parts)) => super::print(&text(&system, parts.as_deref())),
        Err(refused) => {
            if options.json {
                super::print(&errors(&refused, &options.file))?;
            }
            Err(match refused {
                Refused::File(failure) => failure,
                Refused::Manifest(refusals) => prepare::manifest_refused(&refusals),
            })
        }
    }
}

/// Checks a file and prints who may call whom.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn graph(options: &GraphOptions) -> Result<(), Failure> {
    match checked(&options.file) {
        Ok((system, _)) => super::print(&capos_manifest_model::graph(&system)),
        Err(Refused::File(failure)) => Err(failure),
        Err(Refused::Manifest(refusals)) => Err(prepare::manifest_refused(&refusals)),
    }
}

fn checked(file: &Path) -> Result<Checked, Refused> {
    match target::open(file, Verb::Check)? {
        Subject::Image { bytes, .. } => image(file, &bytes).map(|(system, parts)| (system, Some(parts))),
        Subject::Manifest | Subject::Module(_) => Ok((manifest(file)?, None)),
    }
}

fn manifest(file: &Path) -> Result<System, Refused> {
    let layout = Layout::find()?;
    let _progress = Progress::of("evaluating the manifest");
    let mut package = load(&prepare::library(&layout), file).map_err(Refused::Manifest)?;
    modules::check(&mut package)?;
    Ok(package.system)
}

fn image(file: &Path, bytes: &[u8]) -> Result<(System, Vec<PartRow>), Refused> {
    let refuse = |reason: String| Failure::request(format!("{}: {reason}", file.display()));
    let _progress = Progress::of("verifying the boot image");
    let image = Image::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    let rows = image::verify(&image, bytes).map_err(|failure| refuse(failure.message))?;
    let manifest = image.verify(MANIFEST).map_err(|error| refuse(error.to_string()))?;
    let system = decode(manifest).map_err(|error| refuse(format!("part \"{MANIFEST}\": {error}")))?;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    verify(&system, &names).map_err(Refused::Manifest)?;
    for part in image.parts() {
        modules::check_part(&system, part.name, image.contents(&part))
            .map_err(|failure| refuse(format!("part \"{}\": {}", part.name, failure.message)))?;
    }
    Ok((system, rows))
}

/// One object whose `errors` are the lines of standard error in parts; what is not known of one is null.
fn errors(refused: &Refused, file: &Path) -> String {
    let errors: Vec<Value> = match refused {
        Refused::File(failure) => {
            let file = file.to_string_lossy();
            let error = |line| json!({"file": file, "line": null, "column": null, "path": null, "message": line, "accepted": null});
            failure.message.lines().map(error).collect()
        }
        Refused::Manifest(refusals) => refusals.0.iter().map(error).collect(),
    };
    json!({ "errors": errors }).to_string()
}

fn error(refusal: &Refusal) -> Value {
    let position = refusal.position.as_ref();
    // A file as a whole has line 0.
    let place = position.filter(|position| position.line > 0);
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "file": position.map(|position| &position.file),
        "line": place.map(|position| position.line),
        "column": place.map(|position| position.column),
        "path": text(&refusal.path),
        "message": refusal.message,
        "accepted": text(&refusal.accepted),
    })
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
