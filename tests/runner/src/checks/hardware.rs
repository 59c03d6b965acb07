//! The hardware layer by itself: a kernel that checks it, in an image of its own.
//!
//! Rows of `checks`. Boot `kernel/hal/examples/proof.rs`, built by `kernel/image`.
//!
//! Invariant: it passes only if the program itself says that everything held.

use std::fs;

use capos_abi::checksum::crc32c;
use capos_abi::image::{HEADER_BYTES, KERNEL, PART_ALIGNMENT, PART_BYTES, Part, encode_header, encode_part};

use super::{Tools, holds, status};
use crate::case::Run;

/// Some of what it asserts is about time: it means something where nothing but the program makes time go on.
pub(super) fn proof(tools: &Tools<'_>) -> Result<String, String> {
    let program = tools.place.products(tools.ground.setting.build).join("tests/proof.elf");
    let program = fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("proof.image");
    fs::write(&file, image(&program).ok_or("the part cannot be described")?)
        .map_err(|error| error.to_string())?;
    let shown = tools.show(&file, &Run::plain())?;
    status(&shown, 0)?;
    holds(shown.stdout_text() == "piecespiece\n", "its output is another", &shown)?;
    let last = shown.log.lines().find(|line| line.starts_with("[proof] everything held"));
    holds(last.is_some(), "it does not say that everything held", &shown)?;
    Ok(String::new())
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
