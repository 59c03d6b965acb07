//! The boot image: one file with everything that a system is made of.
//!
//! Written by `capos build`; read by the boot stage (which takes the kernel out), by the kernel (init, options, and the
//! BootPackage object) and by `capos check`. It is the initrd of a PVH boot; [`crate::package`] says how two go together.
//!
//! Layout, little-endian: a 64-byte header {magic [u8; 8], version u32, part count u32, total bytes u64, CRC-32C of the
//! part table u32, CRC-32C of the 28 bytes before this field u32, zero [u8; 32]}, then one 128-byte [`Part`] each, then
//! the parts, each starting on a page boundary, zero-padded.
//!
//! Invariant: parts that [`Image::parse`] accepts lie inside the file, on page boundaries, in ascending order, without
//! overlap, and have distinct names. Their contents are checked on first use, by [`Image::verify`]. The padding between
//! them belongs to no part and is covered by no checksum: nobody reads it, and `capos check` alone looks whether it is zero.

use crate::checksum::crc32c;

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"capOSimg";
/// The layout described here.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a row of the part table.
pub const PART_BYTES: usize = 128;
/// Parts start on multiples of this.
pub const PART_ALIGNMENT: usize = 4096;
/// Parts at most.
pub const PARTS_MAX: usize = 1024;
/// Bytes of a part's name at most.
pub const NAME_BYTES_MAX: usize = 64;

/// The name of the kernel's ELF.
pub const KERNEL: &str = "kernel";
/// The name of init's ELF.
pub const INIT: &str = "init";
/// The name of the SystemManifest message.
pub const MANIFEST: &str = "manifest";
/// The name of the optional kernel options: lines `key=value`, known to the kernel alone.
pub const OPTIONS: &str = "options";

/// One part of the image: a row of the table. Bytes: offset u64, length u64, CRC-32C u32, zero [u8; 12], SHA-256 [u8;
/// 32], name [u8; 64] padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Bytes from the start of the image.
    pub offset: u64,
    /// Bytes of the contents, padding not counted.
    pub length: u64,
    /// CRC-32C of the contents.
    pub checksum: u32,
    /// SHA-256 of the contents: the blob's identity.
    pub digest: &'a [u8; 32],
    /// What it is called.
    pub name: &'a str,
}

/// Why an image is refused. `Display` names the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError<'a> {
    /// Shorter than a header.
    NoHeader,
    /// It does not start with [`MAGIC`].
    NotAnImage,
    /// Another version of the layout.
    Version(u32),
    /// The header's CRC is wrong, or the bytes after it are not zero.
    HeaderCorrupt,
    /// The table's CRC is wrong, or it has too many rows.
    TableCorrupt,
    /// The file ends before the header says.
    Truncated {
        /// Bytes that the header states.
        expected: u64,
        /// Bytes that are there.
        found: u64,
        /// The first part that is not whole, if the table is.
        part: Option<&'a str>,
    },
    /// The file ends before the header says, after the last byte of the last part.
    PaddingTruncated {
        /// Bytes that the header states.
        expected: u64,
        /// Bytes that are there.
        found: u64,
        /// The last part, if there is one.
        part: Option<&'a str>,
    },
    /// The row with this index breaks the invariant above.
    BadRow(usize),
    /// The contents do not have the CRC that the table states.
    PartCorrupt(&'a str),
    /// There is no part with this name.
    Missing(&'a str),
    /// Both images of a run have a part with this name.
    Duplicate(&'a str),
}

impl core::fmt::Display for ImageError<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ImageError::NoHeader => write!(formatter, "boot image: too short for a header"),
            ImageError::NotAnImage => write!(formatter, "boot image: not a capOS image"),
            ImageError::Version(version) => {
                write!(formatter, "boot image: version {version}, expected {VERSION}")
            }
            ImageError::HeaderCorrupt => write!(formatter, "boot image: the header is corrupt"),
            ImageError::TableCorrupt => write!(formatter, "boot image: the part table is corrupt"),
            ImageError::Truncated { expected, found, part: Some(part) } => write!(
                formatter,
                "boot image: part \"{part}\" is truncated: the image has {found} of {expected} bytes"
            ),
            ImageError::Truncated { expected, found, part: None } => {
                write!(formatter, "boot image: truncated in the part table: {found} of {expected} bytes")
            }
            ImageError::PaddingTruncated { expected, found, part } => write!(
                formatter,
                "boot image: truncated in the padding after part \"{}\": the image has {found} of {expected} bytes",
                part.unwrap_or_default()
            ),
            ImageError::BadRow(row) => {
                write!(formatter, "boot image: row {row} of the part table is malformed")
            }
            ImageError::PartCorrupt(part) => {
                write!(formatter, "boot image: part \"{part}\" is corrupt (CRC-32C differs)")
            }
            ImageError::Missing(part) => write!(formatter, "boot image: part \"{part}\" is missing"),
            ImageError::Duplicate(part) => {
                write!(formatter, "boot image: part \"{part}\" is in the prepared image too")
            }
        }
    }
}

/// A parsed image.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Image<'a> {
    /// Checks header and table, not the parts' contents. `bytes` may be longer than the image (an initrd is padded).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Image<'a>, ImageError<'a>> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(ImageError::NoHeader)?;
        if header[..8] != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        if crc32c(&header[..28]) != word32(header, 28) || header[32..].iter().any(|byte| *byte != 0) {
            return Err(ImageError::HeaderCorrupt);
        }
        if word32(header, 8) != VERSION {
            return Err(ImageError::Version(word32(header, 8)));
        }
        let count = word32(header, 12) as usize;
        let expected = word64(header, 16);
        let found = bytes.len() as u64;
        if count > PARTS_MAX {
            return Err(ImageError::TableCorrupt);
        }
        let Some(table) = bytes.get(HEADER_BYTES..HEADER_BYTES + count * PART_BYTES) else {
            return Err(ImageError::Truncated { expected, found, part: None });
        };
        if crc32c(table) != word32(header, 24) {
            return Err(ImageError::TableCorrupt);
        }
        let image = Image { bytes, count };
        image.check_rows(expected)?;
        if found < expected {
            let mut parts = image.parts();
            return Err(match parts.find(|part| part.offset + part.length > found) {
                Some(part) => ImageError::Truncated { expected, found, part: Some(part.name) },
                None => {
                    let part = image.parts().last().map(|part| part.name);
                    ImageError::PaddingTruncated { expected, found, part }
                }
            });
        }
        Ok(image)
    }

    /// Bytes of the image, as the header states them.
    #[must_use]
    pub fn total(&self) -> u64 {
        word64(self.bytes, 16)
    }

    fn check_rows(&self, total: u64) -> Result<(), ImageError<'a>> {
        let mut end = (HEADER_BYTES + self.count * PART_BYTES) as u64;
        for row in 0..self.count {
            let part = self.row(row).ok_or(ImageError::BadRow(row))?;
            let part_end = part.offset.checked_add(part.length).ok_or(ImageError::BadRow(row))?;
            let in_order = part.offset >= end && part.offset.is_multiple_of(PART_ALIGNMENT as u64);
            let is_duplicate = (0..row).any(|other| self.row(other).is_some_and(|p| p.name == part.name));
            if !in_order || part_end > total || is_duplicate || part.name.is_empty() {
                return Err(ImageError::BadRow(row));
            }
            end = part_end;
        }
        Ok(())
    }

    fn row(&self, row: usize) -> Option<Part<'a>> {
        let at = HEADER_BYTES + row * PART_BYTES;
        let bytes = self.bytes.get(at..at + PART_BYTES)?;
        let name = &bytes[64..128];
        let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
        Some(Part {
            offset: word64(bytes, 0),
            length: word64(bytes, 8),
            checksum: word32(bytes, 16),
            digest: bytes[32..64].first_chunk()?,
            name: core::str::from_utf8(&name[..length]).ok()?,
        })
    }

    /// The parts, in the order of the table.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let image = *self;
        (0..self.count).filter_map(move |row| image.row(row))
    }

    /// The part at `index`, if there is one.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<Part<'a>> {
        if index < self.count { self.row(index) } else { None }
    }

    /// The part with this name.
    ///
    /// # Errors
    /// [`ImageError::Missing`].
    pub fn find(&self, name: &'a str) -> Result<Part<'a>, ImageError<'a>> {
        self.parts().find(|part| part.name == name).ok_or(ImageError::Missing(name))
    }

    /// The contents of a part of this image; empty for a part of another.
    #[must_use]
    pub fn contents(&self, part: &Part<'a>) -> &'a [u8] {
        let start = part.offset as usize;
        self.bytes.get(start..start.saturating_add(part.length as usize)).unwrap_or(&[])
    }

    /// The contents of the part with this name, checked against its CRC.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::PartCorrupt`].
    pub fn verify(&self, name: &'a str) -> Result<&'a [u8], ImageError<'a>> {
        self.verify_by(name, crc32c)
    }

    /// The same with a CRC-32C of the caller's, which may use the processor's instruction.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::PartCorrupt`].
    pub fn verify_by(
        &self,
        name: &'a str,
        crc32c: impl FnOnce(&[u8]) -> u32,
    ) -> Result<&'a [u8], ImageError<'a>> {
        let part = self.find(name)?;
        let contents = self.contents(&part);
        if crc32c(contents) == part.checksum { Ok(contents) } else { Err(ImageError::PartCorrupt(name)) }
    }
}

/// Writes the header of an image of `total` bytes whose table is `table` (whole rows).
#[must_use]
pub fn encode_header(table: &[u8], total: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&((table.len() / PART_BYTES) as u32).to_le_bytes());
    header[16..24].copy_from_slice(&total.to_le_bytes());
    header[24..28].copy_from_slice(&crc32c(table).to_le_bytes());
    let checksum = crc32c(&header[..28]);
    header[28..32].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Writes a row of the part table. `None` if the name does not fit.
#[must_use]
pub fn encode_part(part: &Part<'_>) -> Option<[u8; PART_BYTES]> {
    let mut row = [0; PART_BYTES];
    row[..8].copy_from_slice(&part.offset.to_le_bytes());
    row[8..16].copy_from_slice(&part.length.to_le_bytes());
    row[16..20].copy_from_slice(&part.checksum.to_le_bytes());
    row[32..64].copy_from_slice(part.digest);
    row[64..128].get_mut(..part.name.len())?.copy_from_slice(part.name.as_bytes());
    Some(row)
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from(word32(bytes, at)) | u64::from(word32(bytes, at + 4)) << 32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::vec::Vec;

    pub(crate) fn build(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut offset = (HEADER_BYTES + parts.len() * PART_BYTES).next_multiple_of(PART_ALIGNMENT);
        let (mut table, mut body) = (Vec::new(), Vec::new());
        for (name, contents) in parts {
            let part = Part {
                offset: offset as u64,
                length: contents.len() as u64,
                checksum: crc32c(contents),
                digest: &[0; 32],
                name,
            };
            table.extend(encode_part(&part).unwrap());
            body.extend_from_slice(contents);
            body.resize(body.len().next_multiple_of(PART_ALIGNMENT), 0);
            offset += contents.len().next_multiple_of(PART_ALIGNMENT);
        }
        let mut image = encode_header(&table, offset as u64).to_vec();
        image.extend(table);
        image.resize(image.len().next_multiple_of(PART_ALIGNMENT), 0);
        image.extend(body);
        image
    }

    #[test]
    fn parts_come_back() {
        let bytes = build(&[("kernel", b"abc"), ("init", &[7; 5000])]);
        let image = Image::parse(&bytes).unwrap();
        assert_eq!(image.verify("kernel").unwrap(), b"abc");
        assert_eq!(image.verify("init").unwrap(), &[7; 5000]);
        assert_eq!(image.verify("manifest"), Err(ImageError::Missing("manifest")));
        assert_eq!(image.parts().count(), 2);
    }

    #[test]
    fn each_corruption_is_named() {
        let whole = build(&[("kernel", b"abc"), ("init", &[7; 5000])]);
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        assert_eq!(Image::parse(&flipped(0)).unwrap_err(), ImageError::NotAnImage);
        assert_eq!(Image::parse(&flipped(17)).unwrap_err(), ImageError::HeaderCorrupt);
        for at in [28, 32, HEADER_BYTES - 1] {
            assert_eq!(Image::parse(&flipped(at)).unwrap_err(), ImageError::HeaderCorrupt);
        }
        assert_eq!(Image::parse(&flipped(HEADER_BYTES)).unwrap_err(), ImageError::TableCorrupt);
        let part = flipped(2 * 4096 + 4999);
        assert_eq!(Image::parse(&part).unwrap().verify("init"), Err(ImageError::PartCorrupt("init")));
        assert_eq!(Image::parse(&whole[..10]).unwrap_err(), ImageError::NoHeader);
        let expected = whole.len() as u64;
        assert_eq!(
            Image::parse(&whole[..9000]).unwrap_err(),
            ImageError::Truncated { expected, found: 9000, part: Some("init") }
        );
        let cut = Image::parse(&whole[..whole.len() - 1]).unwrap_err();
        let part = Some("init");
        assert_eq!(cut, ImageError::PaddingTruncated { expected, found: expected - 1, part });
        assert_eq!(
            Image::parse(&whole[..100]).unwrap_err(),
            ImageError::Truncated { expected, found: 100, part: None }
        );
    }

    #[test]
    fn duplicate_names_are_refused() {
        let bytes = build(&[("kernel", b"abc"), ("kernel", b"abc")]);
        assert_eq!(Image::parse(&bytes).unwrap_err(), ImageError::BadRow(1));
    }
}
