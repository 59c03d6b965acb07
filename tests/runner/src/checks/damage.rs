//! Damaged boot images: the machine refuses each with a line that names the part.
//!
//! Rows of `checks`. The image is that of the smoke system, with kernel options.
//!
//! Invariant: every part of the image is damaged once, whatever parts there are.

use std::fs;
use std::path::Path;
use std::process::Command;

use capos_abi::image::{HEADER_BYTES, Image, PART_BYTES};
use capos_image_writer::{NamedPart, write};

use super::{Tools, holds, status};
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

/// The image of a run, which has no kernel, beside the prepared system: what is wrong with it is refused as in an image that
/// is whole by itself, and so is what does not go together.
pub(super) fn beside(tools: &Tools<'_>) -> Result<String, String> {
    with_image(tools, |bytes, folder| {
        let image = Image::parse(bytes).map_err(|error| error.to_string())?;
        let prepared = ["kernel", "init", "virtio-console", "virtio-rng", "capos-wasm"];
        let some = |wanted: &dyn Fn(&str) -> bool| image_of(&image, wanted);
        let own = some(&|name| !prepared.contains(&name))?;
        beside_prepared(tools, folder, &own, None)?;
        // An image that is whole by itself needs nothing of what was prepared.
        beside_prepared(tools, folder, bytes, None)?;
        let parsed = Image::parse(&own).map_err(|error| error.to_string())?;
        for part in parsed.parts() {
            let mut damaged = own.clone();
            damaged[(part.offset + part.length / 2) as usize] ^= 0x10;
            beside_prepared(tools, folder, &damaged, Some(&format!("part \"{}\" is corrupt", part.name)))?;
            let cut = &own[..(part.offset + part.length / 2) as usize];
            beside_prepared(tools, folder, cut, Some(&format!("part \"{}\" is truncated", part.name)))?;
        }
        for twice in ["init", "virtio-console", "virtio-rng", "capos-wasm"] {
            let both = some(&|name| name == twice || !prepared.contains(&name))?;
            let line = format!("part \"{twice}\" is in the prepared image too");
            beside_prepared(tools, folder, &both, Some(&line))?;
        }
        let missing = some(&|name| name != "manifest" && !prepared.contains(&name))?;
        beside_prepared(tools, folder, &missing, Some("part \"manifest\" is missing"))?;
        beside_prepared(tools, folder, &own[..HEADER_BYTES / 2], Some("too short for a header"))?;
        // Without the prepared image it is one that lacks its kernel.
        refused(tools, folder, &own, "part \"kernel\" is missing")?;
        Ok(names(&parsed))
    })
}

/// An image of those parts of another that are wanted.
fn image_of(image: &Image<'_>, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<u8>, String> {
    let parts: Vec<NamedPart> = image
        .parts()
        .filter(|part| wanted(part.name))
        .map(|part| NamedPart { name: part.name.to_owned(), contents: image.contents(&part).to_vec() })
        .collect();
    let mut bytes = Vec::new();
    write(&parts, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A kernel whose checksum is right and which is no kernel is refused with what is wrong.
pub(super) fn bad_kernels(tools: &Tools<'_>) -> Result<String, String> {
    const FIRST_SEGMENT: usize = 64;
    with_image(tools, |bytes, folder| {
        let image = Image::parse(bytes).map_err(|error| error.to_string())?;
        let kernel = image.verify("kernel").map_err(|error| error.to_string())?;
        let changed = |at: usize, value: &[u8]| {
            let mut kernel = kernel.to_vec();
            kernel[at..at + value.len()].copy_from_slice(value);
            kernel
        };
        let sections = &changed(40, &[0xff; 8]);
        let cases: [(&[u8], &str); 11] = [
            (b"", "not a 64-bit ELF file"),
            (&kernel[..40], "not a 64-bit ELF file"),
            (&changed(4, &[1]), "not a 64-bit ELF file"),
            (&changed(16, &[3]), "not a static executable for x86_64"),
            (&kernel[..kernel.len() / 2], "a segment is not whole"),
            (&changed(24, &[0xff; 8]), "its entry is not in an executable segment"),
            (&changed(FIRST_SEGMENT + 4, &[7]), "a segment is writable and executable"),
            (&changed(FIRST_SEGMENT + 8, &[1]), "a segment does not start on a page"),
            (&changed(FIRST_SEGMENT + 16, &[0; 8]), "a segment is not in the last 2 GiB"),
            (&changed(FIRST_SEGMENT + 40, &[0xff; 8]), "a segment has a wrong size"),
            (sections, "it does not say what it wants mapped"),
        ];
        for (kernel, reason) in &cases {
            let damaged = with_kernel(&image, kernel)?;
            let line = format!("part \"kernel\" cannot be loaded: {reason}");
            refused(tools, folder, &damaged, &line)?;
        }
        Ok(format!("{} kernels", cases.len()))
    })
}

/// The same image with other bytes as its kernel.
fn with_kernel(image: &Image<'_>, kernel: &[u8]) -> Result<Vec<u8>, String> {
    let mut parts = vec![NamedPart { name: "kernel".to_owned(), contents: kernel.to_vec() }];
    for part in image.parts().filter(|part| part.name != "kernel") {
        parts.push(NamedPart { name: part.name.to_owned(), contents: image.contents(&part).to_vec() });
    }
    let mut bytes = Vec::new();
    write(&parts, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Boots the prepared system with these bytes beside it, in place of what `capos run` would pass: they must run, or be
/// refused with `line`.
fn beside_prepared(tools: &Tools<'_>, folder: &Path, bytes: &[u8], line: Option<&str>) -> Result<(), String> {
    let image = folder.join("beside.image");
    fs::write(&image, bytes).map_err(|error| error.to_string())?;
    let file = tools.place.root.join("manifests/system-smoke.cue");
    // QEMU takes the last of several.
    let run = Run { qemu: vec!["-initrd".to_owned(), image.display().to_string()], ..Run::plain() };
    let shown = tools.show(&file, &run)?;
    let says = line.is_none_or(|line| shown.stderr_text().lines().any(|one| one.contains(line)));
    holds(says, &format!("standard error lacks {line:?}"), &shown)?;
    status(&shown, if line.is_some() { REFUSED } else { 0 })
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
