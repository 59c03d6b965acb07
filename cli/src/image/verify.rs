//! Checks a whole boot image: header, table, both checksums of every part, and the padding.
//!
//! Called by `capos check IMAGE`; calls `capos-abi` and SHA-256.
//!
//! Invariant: an image that passes is byte for byte what `capos build` wrote.

use capos_abi::checksum::crc32c;
use capos_abi::image::{HEADER_BYTES, Image, PART_BYTES};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// A part that was found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its identity, in hexadecimal.
    pub digest: String,
}

/// Verifies every part of the image that `bytes` are, and what is between them; returns the parts in order.
///
/// # Errors
/// The first thing that is wrong, with the name of the part.
pub fn verify(image: &Image<'_>, bytes: &[u8]) -> Result<Vec<PartRow>, Failure> {
    let rows = image
        .parts()
        .map(|part| {
            let contents = image.contents(&part);
            let digest: [u8; 32] = Sha256::digest(contents).into();
            let refuse = |what: &str| {
                Failure::request(format!("boot image: part \"{}\" is corrupt ({what} differs)", part.name))
            };
            if digest != *part.digest {
                return Err(refuse("SHA-256"));
            }
            if crc32c(contents) != part.checksum {
                return Err(refuse("CRC-32C"));
            }
            let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(PartRow { name: part.name.to_owned(), bytes: part.length, digest })
        })
        .collect::<Result<_, Failure>>()?;
    verify_padding(image, bytes)?;
    Ok(rows)
}

/// The bytes that belong to no part: they have to be zero, to the end of the file.
fn verify_padding(image: &Image<'_>, bytes: &[u8]) -> Result<(), Failure> {
    let mut end = HEADER_BYTES + image.parts().count() * PART_BYTES;
    let mut after = "the part table".to_owned();
    let last = (bytes.len(), bytes.len(), String::new());
    let parts = image.parts().map(|part| {
        let offset = part.offset as usize;
        (offset, offset + part.length as usize, format!("part \"{}\"", part.name))
    });
    for (start, next_end, name) in parts.chain([last]) {
        let padding = bytes.get(end..start).unwrap_or_default();
        if let Some(at) = padding.iter().position(|byte| *byte != 0) {
            let at = end + at;
            return Err(Failure::request(format!(
                "boot image: the padding after {after} is not zero, at byte {at}"
            )));
        }
        (end, after) = (next_end, name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{NamedPart, write};

    #[test]
    fn every_corrupt_byte_is_found() {
        let parts = [
            NamedPart { name: "kernel".into(), contents: vec![1; 5000] },
            NamedPart { name: "init".into(), contents: vec![2; 10] },
        ];
        let mut bytes = Vec::new();
        write(&parts, &mut bytes).unwrap();
        assert_eq!(verify(&Image::parse(&bytes).unwrap(), &bytes).unwrap().len(), 2);
        for (at, name) in [(4096, "kernel"), (4096 + 4999, "kernel"), (4096 + 8192 + 9, "init")] {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 4;
            let message = verify(&Image::parse(&corrupt).unwrap(), &corrupt).unwrap_err().message;
            assert_eq!(message, format!("boot image: part \"{name}\" is corrupt (SHA-256 differs)"));
        }
        let table_end = HEADER_BYTES + 2 * PART_BYTES;
        for (at, after) in [
            (table_end, "the part table"),
            (4095, "the part table"),
            (4096 + 5000, "part \"kernel\""),
            (4096 + 8191, "part \"kernel\""),
            (4096 + 8192 + 10, "part \"init\""),
            (bytes.len() - 1, "part \"init\""),
        ] {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 4;
            let message = verify(&Image::parse(&corrupt).unwrap(), &corrupt).unwrap_err().message;
            assert_eq!(message, format!("boot image: the padding after {after} is not zero, at byte {at}"));
        }
        bytes.push(1);
        assert!(verify(&Image::parse(&bytes).unwrap(), &bytes).is_err());
    }
}
