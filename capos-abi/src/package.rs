//! What a machine was started with: one boot image, or a prepared one and beside it that of the run.
//!
//! Read by the boot stage, which puts the images together, and by the kernel. The prepared image is part of the boot stage's
//! own file (`system.pvh`): like the stage's code it is read as the host loaded it, and its parts are not checked against
//! their checksums again. Everything else is.
//!
//! Invariant: no two parts have one name, and all parts lie in the bytes.

use crate::image::{Image, ImageError, PART_ALIGNMENT, Part};

/// The images as one. Offsets of its parts count from the first byte of the first image.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    prepared: Option<Image<'a>>,
    run: Image<'a>,
    /// Where the run's image starts.
    run_offset: u64,
}

impl<'a> Package<'a> {
    /// Puts two images together of which the second one starts on the first page boundary behind the first one.
    ///
    /// # Errors
    /// [`ImageError::Duplicate`].
    pub fn new(prepared: Option<Image<'a>>, run: Image<'a>) -> Result<Package<'a>, ImageError<'a>> {
        let Some(first) = prepared else { return Ok(Package { prepared, run, run_offset: 0 }) };
        for part in run.parts() {
            if first.find(part.name).is_ok() {
                return Err(ImageError::Duplicate(part.name));
            }
        }
        let run_offset = first.total().next_multiple_of(PART_ALIGNMENT as u64);
        Ok(Package { prepared, run, run_offset })
    }

    /// Reads a ramdisk: an image, and perhaps another one on the next page boundary behind it; the first one is the
    /// prepared one then.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Package<'a>, ImageError<'a>> {
        let first = Image::parse(bytes)?;
        let end = usize::try_from(first.total()).unwrap_or(usize::MAX).next_multiple_of(PART_ALIGNMENT);
        match bytes.get(end..).filter(|rest| !rest.is_empty()) {
            Some(rest) => Package::new(Some(first), Image::parse(rest)?),
            None => Package::new(None, first),
        }
    }

    /// The parts, those of the prepared image first.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let offset = self.run_offset;
        let moved = move |part: Part<'a>| Part { offset: part.offset + offset, ..part };
        self.prepared.into_iter().flat_map(|image| image.parts()).chain(self.run.parts().map(moved))
    }

    /// The part at `index`, if there is one.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<Part<'a>> {
        self.parts().nth(index)
    }

    /// The part with this name.
    ///
    /// # Errors
    /// [`ImageError::Missing`].
    pub fn find(&self, name: &'a str) -> Result<Part<'a>, ImageError<'a>> {
        self.parts().find(|part| part.name == name).ok_or(ImageError::Missing(name))
    }

    /// True for a part of the prepared image.
    #[must_use]
    pub fn is_prepared(&self, part: &Part<'_>) -> bool {
        part.offset < self.run_offset
    }

    /// The contents of the part with this name, checked by the caller's CRC-32C if it is not prepared.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::PartCorrupt`].
    pub fn verify_by(
        &self,
        name: &'a str,
        crc32c: impl FnOnce(&[u8]) -> u32,
    ) -> Result<&'a [u8], ImageError<'a>> {
        match self.prepared.and_then(|image| image.find(name).ok().map(|part| image.contents(&part))) {
            Some(contents) => Ok(contents),
            None => self.run.verify_by(name, crc32c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::crc32c;
    use crate::image::tests::build;

    #[test]
    fn two_images_are_one_package() {
        let mut bytes = build(&[("kernel", b"abc"), ("init", &[7; 5000])]);
        let first = bytes.len();
        bytes.extend(build(&[("manifest", b"m")]));
        let package = Package::parse(&bytes).unwrap();
        let names: std::vec::Vec<&str> = package.parts().map(|part| part.name).collect();
        assert_eq!(names, ["kernel", "init", "manifest"]);
        let manifest = package.find("manifest").unwrap();
        assert_eq!(manifest.offset as usize, first + PART_ALIGNMENT);
        assert_eq!(bytes[manifest.offset as usize..][..1], *b"m");
        assert!(!package.is_prepared(&manifest));
        assert!(package.is_prepared(&package.find("init").unwrap()));
        assert_eq!(package.part(3), None);
    }

    #[test]
    fn only_the_runs_parts_are_checked_again() {
        let first = build(&[("init", b"abc")]);
        let mut bytes = [first.as_slice(), &build(&[("manifest", b"m")])].concat();
        bytes[PART_ALIGNMENT] ^= 1;
        assert!(Package::parse(&bytes).unwrap().verify_by("init", crc32c).is_ok());
        let at = first.len() + PART_ALIGNMENT;
        bytes[at] ^= 1;
        let package = Package::parse(&bytes).unwrap();
        assert_eq!(package.verify_by("manifest", crc32c), Err(ImageError::PartCorrupt("manifest")));
        let alone = Package::parse(&bytes[..first.len()]).unwrap();
        assert_eq!(alone.verify_by("init", crc32c), Err(ImageError::PartCorrupt("init")));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let first = build(&[("init", b"abc")]);
        let twice = [first.as_slice(), &build(&[("manifest", b"m"), ("init", b"x")])].concat();
        assert_eq!(Package::parse(&twice).unwrap_err(), ImageError::Duplicate("init"));
        let noise = [first.as_slice(), &[1; 100]].concat();
        assert_eq!(Package::parse(&noise).unwrap_err(), ImageError::NotAnImage);
        let cut = [first.as_slice(), &build(&[("manifest", b"m")])[..4097]].concat();
        assert!(matches!(Package::parse(&cut).unwrap_err(), ImageError::PaddingTruncated { .. }));
    }
}
