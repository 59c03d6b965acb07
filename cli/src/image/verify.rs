//! Checks a whole boot image: header, table, and both checksums of every part.
//!
//! Called by `capos check IMAGE`; calls `capos-abi` and SHA-256.
//!
//! Invariant: an image that passes is byte for byte what `capos build` wrote, padding aside.

use capos_abi::checksum::crc32c;
use capos_abi::image::Image;
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

/// Verifies every part of the image; returns them in order.
///
/// # Errors
/// The first thing that is wrong, with the name of the part.
pub fn verify(image: &Image<'_>) -> Result<Vec<PartRow>, Failure> {
    image
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
        .collect()
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
        assert_eq!(verify(&Image::parse(&bytes).unwrap()).unwrap().len(), 2);
        for (at, name) in [(4096, "kernel"), (4096 + 4999, "kernel"), (4096 + 8192 + 9, "init")] {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 4;
            let message = verify(&Image::parse(&corrupt).unwrap()).unwrap_err().message;
            assert_eq!(message, format!("boot image: part \"{name}\" is corrupt (SHA-256 differs)"));
        }
    }
}
