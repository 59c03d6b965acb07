//! The hardware layer by itself: a kernel that checks it, in an image of its own.
//!
//! Rows of `checks`. Boot the examples of `kernel/hal`, built by `kernel/image`.
//!
//! Invariant: `proof` passes only if the program itself says that everything held.

use std::fs;

use capos_abi::checksum::crc32c;
use capos_abi::image::{HEADER_BYTES, KERNEL, PART_ALIGNMENT, PART_BYTES, Part, encode_header, encode_part};

use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;

/// Exit status of a run whose kernel failed.
const KERNEL_FAILED: i32 = 127;

/// Some of what it asserts is about time: it means something where nothing but the program makes time go on.
pub(super) fn proof(tools: &Tools<'_>) -> Result<String, String> {
    let shown = boot(tools, "proof.elf")?;
    status(&shown, 0)?;
    let last = shown.log.lines().find(|line| line.starts_with("[proof] everything held"));
    holds(last.is_some(), "it does not say that everything held", &shown)?;
    Ok(String::new())
}

/// Ring 0's stack is used up: the page below it stops that, and the log says so.
pub(super) fn overflow(tools: &Tools<'_>) -> Result<String, String> {
    let shown = boot(tools, "overflow.elf")?;
    holds(shown.status == KERNEL_FAILED, "its status is another", &shown)?;
    for line in ["[kernel] exception 8 in ring 0:", "[kernel] the kernel's stack is used up"] {
        let is_there = shown.log.lines().any(|one| one.starts_with(line));
        holds(is_there, &format!("its log lacks {line:?}"), &shown)?;
    }
    Ok(String::new())
}

/// Boots a program of the folder `tests` in the kernel's place.
fn boot(tools: &Tools<'_>, name: &str) -> Result<Shown, String> {
    let program = tools.place.products(tools.ground.setting.build).join("tests").join(name);
    let program = fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("image");
    fs::write(&file, image(&program).ok_or("the part cannot be described")?)
        .map_err(|error| error.to_string())?;
    tools.show(&file, &Run::plain())
}

/// An image with this kernel and nothing else.
fn image(kernel: &[u8]) -> Option<Vec<u8>> {
    let offset = (HEADER_BYTES + PART_BYTES).next_multiple_of(PART_ALIGNMENT);
    let total = (offset + kernel.len()).next_multiple_of(PART_ALIGNMENT);
    let (length, checksum) = (kernel.len() as u64, crc32c(kernel));
    let table =
        encode_part(&Part { offset: offset as u64, length, checksum, digest: &[0; 32], name: KERNEL })?;
    let mut image = encode_header(&table, total as u64).to_vec();
    image.extend(table);
    image.resize(offset, 0);
    image.extend(kernel);
    image.resize(total, 0);
    Some(image)
}
