//! Writes a boot image.
//!
//! Called by `capos build`, by `capos run` and by the build of the prepared system; calls the checksums of `capos-abi` and
//! SHA-256.
//!
//! Invariant: the same parts in the same order give the same bytes; nothing of the host (times, paths) gets in.

#![forbid(unsafe_code)]

use std::fmt::{Display, Formatter};
use std::io::{self, Write};

use capos_abi::checksum::crc32c;
use capos_abi::image::{
    HEADER_BYTES, NAME_BYTES_MAX, PART_ALIGNMENT, PART_BYTES, PARTS_MAX, Part, encode_header, encode_part,
};
use sha2::{Digest, Sha256};

/// Why an image is not written.
#[derive(Debug)]
pub enum WriteError {
    /// The parts cannot be in one image.
    Parts(String),
    /// The target does not take the bytes.
    Target(io::Error),
}

impl Display for WriteError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            WriteError::Parts(text) => formatter.write_str(text),
            WriteError::Target(error) => write!(formatter, "the boot image cannot be written: {error}"),
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Target(error)
    }
}

/// A part on its way into an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPart {
    /// Distinct within the image, 1 to 64 bytes.
    pub name: String,
    /// What it contains.
    pub contents: Vec<u8>,
}

/// Writes an image of these parts.
///
/// # Errors
/// A name that is too long or used twice, too many parts, or a target that refuses the bytes.
pub fn write(parts: &[NamedPart], target: &mut impl Write) -> Result<(), WriteError> {
    check(parts)?;
    let table_end = HEADER_BYTES + parts.len() * PART_BYTES;
    let mut offset = table_end.next_multiple_of(PART_ALIGNMENT);
    let mut table = Vec::with_capacity(parts.len() * PART_BYTES);
    for part in parts {
        let digest: [u8; 32] = Sha256::digest(&part.contents).into();
        let row = Part {
            offset: offset as u64,
            length: part.contents.len() as u64,
            checksum: crc32c(&part.contents),
            digest: &digest,
            name: &part.name,
        };
        let row = encode_part(&row)
            .ok_or_else(|| WriteError::Parts(format!("part name \"{}\" is too long", part.name)))?;
        table.extend_from_slice(&row);
        offset += part.contents.len().next_multiple_of(PART_ALIGNMENT);
    }
    target.write_all(&encode_header(&table, offset as u64))?;
    target.write_all(&table)?;
    pad(target, table_end)?;
    for part in parts {
        target.write_all(&part.contents)?;
        pad(target, part.contents.len())?;
    }
    Ok(target.flush()?)
}

fn check(parts: &[NamedPart]) -> Result<(), WriteError> {
    if parts.len() > PARTS_MAX {
        let count = parts.len();
        return Err(WriteError::Parts(format!(
            "a boot image has {PARTS_MAX} parts at most; this one has {count}"
        )));
    }
    let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    names.sort_unstable();
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err(WriteError::Parts(format!(
            "part name \"{name}\" has {} bytes; expected 1 to {NAME_BYTES_MAX}",
            name.len()
        )));
    }
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(WriteError::Parts(format!("two parts have the name \"{}\"", pair[0]))),
        None => Ok(()),
    }
}

fn pad(target: &mut impl Write, length: usize) -> Result<(), WriteError> {
    let zeros = [0; PART_ALIGNMENT];
    let rest = length.next_multiple_of(PART_ALIGNMENT) - length;
    Ok(target.write_all(&zeros[..rest])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use capos_abi::image::Image;

    fn part(name: &str, contents: &[u8]) -> NamedPart {
        NamedPart { name: name.into(), contents: contents.into() }
    }

    fn image(parts: &[NamedPart]) -> Result<Vec<u8>, WriteError> {
        let mut bytes = Vec::new();
        write(parts, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn an_image_reads_back() {
        let parts =
            [part("kernel", b"abc"), part("empty", b""), part("init", &[7; 8192]), part("last", &[1; 4097])];
        let bytes = image(&parts).unwrap();
        assert_eq!(bytes.len() % PART_ALIGNMENT, 0);
        let read = Image::parse(&bytes).unwrap();
        for part in &parts {
            assert_eq!(read.verify(&part.name).unwrap(), part.contents);
        }
        assert_eq!(bytes, image(&parts).unwrap());
    }

    #[test]
    fn names_are_checked() {
        let refusal = |parts: &[NamedPart]| image(parts).unwrap_err().to_string();
        assert_eq!(refusal(&[part("a", b""), part("a", b"")]), "two parts have the name \"a\"");
        assert!(refusal(&[part("", b"")]).contains("has 0 bytes"));
        assert!(refusal(&[part(&"n".repeat(65), b"")]).contains("has 65 bytes"));
        assert!(image(&[part(&"n".repeat(64), b"x")]).is_ok());
    }
}
