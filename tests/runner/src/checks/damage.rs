//! Damaged boot images: the machine refuses each with a line that names the part.
//!
//! Rows of `checks`. The image is that of the smoke system, with kernel options.
//!
//! Invariant: every part of the image is damaged once, whatever parts there are.

use std::fs;
use std::path::Path;
use std::process::Command;

use capos_abi::image::{HEADER_BYTES, Image, PART_BYTES};

use super::{Tools, holds};
use crate::case::Run;

/// Exit status of a run that is refused.
const REFUSED: i32 = 126;

/// Builds the image of the smoke system.
fn image(tools: &Tools<'_>, folder: &Path) -> Result<Vec<u8>, String> {
    let file = folder.join("smoke.image");
    let output = Command::new(&tools.ground.capos)
        .args(["build", "--kernel-option", "fail-allocation=1000000000", "-o"])
        .arg(&file)
        .arg(tools.place.root.join("manifests/system-smoke.cue"))
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("capos build: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::read(&file).map_err(|error| error.to_string())
}

/// Boots the bytes: they must be refused with `line`.
fn refused(tools: &Tools<'_>, folder: &Path, bytes: &[u8], line: &str) -> Result<(), String> {
    let file = folder.join("damaged.image");
    fs::write(&file, bytes).map_err(|error| error.to_string())?;
    let shown = tools.show(&file, &Run::plain())?;
    let says = shown.stderr_text().lines().any(|one| one.contains(line));
    holds(says, &format!("standard error lacks {line:?}"), &shown)?;
    holds(shown.status == REFUSED, &format!("status {}, expected {REFUSED}: {line}", shown.status), &shown)
}

/// Runs `damage` with the whole image and a folder for its files.
fn with_image(
    tools: &Tools<'_>,
    damage: impl FnOnce(&[u8], &Path) -> Result<String, String>,
) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let bytes = image(tools, folder.path())?;
    let shown = {
        let file = folder.path().join("smoke.image");
        tools.show(&file, &Run::plain())?
    };
    holds(shown.status == 0, "the image that is whole does not run", &shown)?;
    damage(&bytes, folder.path())
}

pub(super) fn corrupt_parts(tools: &Tools<'_>) -> Result<String, String> {
    with_image(tools, |bytes, folder| {
        let image = Image::parse(bytes).map_err(|error| error.to_string())?;
        for part in image.parts() {
            let mut damaged = bytes.to_vec();
            damaged[(part.offset + part.length / 2) as usize] ^= 0x10;
            refused(tools, folder, &damaged, &format!("part \"{}\" is corrupt", part.name))?;
        }
        Ok(names(&image))
    })
}

pub(super) fn truncated(tools: &Tools<'_>) -> Result<String, String> {
    with_image(tools, |bytes, folder| {
        let image = Image::parse(bytes).map_err(|error| error.to_string())?;
        for part in image.parts() {
            let cut = &bytes[..(part.offset + part.length / 2) as usize];
            refused(tools, folder, cut, &format!("part \"{}\" is truncated", part.name))?;
        }
        let table = HEADER_BYTES + PART_BYTES / 2;
        refused(tools, folder, &bytes[..table], "truncated in the part table")?;
        refused(tools, folder, &bytes[..HEADER_BYTES / 2], "too short for a header")?;
        Ok(names(&image))
    })
}

pub(super) fn head(tools: &Tools<'_>) -> Result<String, String> {
    with_image(tools, |bytes, folder| {
        for (at, line) in [
            (9, "the header is corrupt"),
            (20, "the header is corrupt"),
            (30, "the header is corrupt"),
            (HEADER_BYTES + 3, "the part table is corrupt"),
            (HEADER_BYTES + 2 * PART_BYTES + 70, "the part table is corrupt"),
        ] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            refused(tools, folder, &damaged, line)?;
        }
        Ok(String::new())
    })
}

/// Options that the kernel does not know are refused with the line, before anything starts.
pub(super) fn options(tools: &Tools<'_>) -> Result<String, String> {
    let file = tools.place.root.join("manifests/system-wasm-host.cue");
    for option in ["speed=9", "fail-allocation=0", "fail-allocation=many"] {
        let run = Run { kernel: vec![option.to_owned()], ..Run::plain() };
        let shown = tools.show(&file, &run)?;
        let says = shown.stderr_text().contains(&format!("line 1: \"{option}\" is not one of"));
        holds(says && shown.status == REFUSED, &format!("{option}: not refused by its line"), &shown)?;
    }
    Ok(String::new())
}

fn names(image: &Image<'_>) -> String {
    image.parts().map(|part| part.name).collect::<Vec<_>>().join(", ")
}
