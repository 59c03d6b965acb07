//! The prepared system: the boot stage's file with an image of the kernel, init, the drivers and the WASI host in it.
//!
//! Called by the build script after the programs were built. QEMU maps the file and copies it to where it runs, so a run
//! reads, hashes and writes none of it.
//!
//! Invariant: the same programs give the same bytes.

use std::fs;
use std::path::Path;

use capos_image_writer::{NamedPart, write};

/// The programs, with the names of their parts, in the order in which they are written.
const PROGRAMS: [(&str, &str); 5] = [
    ("kernel", "kernel.elf"),
    ("init", "init.elf"),
    ("virtio-console", "virtio-console.elf"),
    ("virtio-rng", "virtio-rng.elf"),
    ("capos-wasm", "capos-wasm.elf"),
];
/// Where the boot stage looks for the image: `targets/boot.ld`.
const ADDRESS: u64 = 2 << 20;
const PAGE: usize = 4096;
const PROGRAM_HEADER_BYTES: usize = 56;

/// The file, from the programs in this folder.
///
/// # Errors
/// A program cannot be read, or the stage has no place for the image.
pub(crate) fn system(folder: &Path) -> Result<Vec<u8>, String> {
    let read = |file: &str| {
        let path = folder.join(file);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut parts = Vec::new();
    for (name, file) in PROGRAMS {
        parts.push(NamedPart { name: name.to_owned(), contents: read(file)? });
    }
    let mut image = Vec::new();
    write(&parts, &mut image).map_err(|error| error.to_string())?;
    with_segment(read("boot.elf")?, &image).ok_or_else(|| "boot.elf has no place for an image".to_owned())
}

/// The file with the image as the contents of the segment at [`ADDRESS`].
fn with_segment(mut file: Vec<u8>, image: &[u8]) -> Option<Vec<u8>> {
    let table = word(&file, 32)? as usize;
    let count = usize::from(u16::from_le_bytes(*file.get(56..)?.first_chunk()?));
    let headers = (0..count).map(|index| table + index * PROGRAM_HEADER_BYTES);
    let header = headers.into_iter().find(|at| word(&file, at + 16) == Some(ADDRESS))?;
    file.resize(file.len().next_multiple_of(PAGE), 0);
    let (offset, bytes) = (file.len() as u64, image.len() as u64);
    for (field, value) in [(8, offset), (32, bytes), (40, bytes)] {
        file.get_mut(header + field..header + field + 8)?.copy_from_slice(&value.to_le_bytes());
    }
    file.extend(image);
    Some(file)
}

fn word(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?))
}
