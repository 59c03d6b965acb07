//! Writes a boot image.
//!
//! Called by `capos build` and `capos run`; calls the checksums of `capos-abi` and SHA-256.
//!
//! Invariant: the same parts in the same order give the same bytes; nothing of the host (times, paths) gets in.

use std::io::Write;

use capos_abi::checksum::crc32c;
use capos_abi::image::{
    HEADER_BYTES, NAME_BYTES_MAX, PART_ALIGNMENT, PART_BYTES, PARTS_MAX, Part, encode_header, encode_part,
};
use sha2::{Digest, Sha256};

use crate::failure::{Context, Failure};

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
pub fn write(parts: &[NamedPart], target: &mut impl Write) -> Result<(), Failure> {
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
            .ok_or_else(|| Failure::request(format!("part name \"{}\" is too long", part.name)))?;
        table.extend_from_slice(&row);
        offset += part.contents.len().next_multiple_of(PART_ALIGNMENT);
    }
    let what = "the boot image cannot be written";
    target.write_all(&encode_header(&table, offset as u64)).or_host(what)?;
    target.write_all(&table).or_host(what)?;
    pad(target, table_end)?;
    for part in parts {
        target.write_all(&part.contents).or_host(what)?;
        pad(target, part.contents.len())?;
    }
    target.flush().or_host(what)
}

fn check(parts: &[NamedPart]) -> Result<(), Failure> {
    if parts.len() > PARTS_MAX {
        let count = parts.len();
        return Err(Failure::request(format!(
            "a boot image has {PARTS_MAX} parts at most; this one has {count}"
        )));
    }
    let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    names.sort_unstable();
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err(Failure::request(format!(
            "part name \"{name}\" has {} bytes; expected 1 to {NAME_BYTES_MAX}",
            name.len()
        )));
    }
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Failure::request(format!("two parts have the name \"{}\"", pair[0]))),
        None => Ok(()),
    }
}

fn pad(target: &mut impl Write, length: usize) -> Result<(), Failure> {
    let zeros = [0; PART_ALIGNMENT];
    let rest = length.next_multiple_of(PART_ALIGNMENT) - length;
    target.write_all(&zeros[..rest]).or_host("the boot image cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use capos_abi::image::Image;

    fn part(name: &str, contents: &[u8]) -> NamedPart {
        NamedPart { name: name.into(), contents: contents.into() }
    }

    fn image(parts: &[NamedPart]) -> Result<Vec<u8>, Failure> {
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
        let refusal = |parts: &[NamedPart]| image(parts).unwrap_err().message;
        assert_eq!(refusal(&[part("a", b""), part("a", b"")]), "two parts have the name \"a\"");
        assert!(refusal(&[part("", b"")]).contains("has 0 bytes"));
        assert!(refusal(&[part(&"n".repeat(65), b"")]).contains("has 65 bytes"));
        assert!(image(&[part(&"n".repeat(64), b"x")]).is_ok());
    }
}
