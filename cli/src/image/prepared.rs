//! Checks the prepared system: the image of the kernel, init and the WASI host in the file of the boot stage.
//!
//! Called by `capos doctor`; calls `object` for the file and `verify` for the image. No boot checks these parts, so that a run
//! reads none of them.
//!
//! Invariant: a file that passes holds every part as it was built. The boot stage's own code has no checksum.

use capos_abi::image::{Image, MAGIC};
use object::{Object, ObjectSegment};

use super::verify;
use crate::failure::Failure;

/// Verifies the image in the file `bytes`.
///
/// # Errors
/// There is none, or the first thing that is wrong with it.
pub fn verify_prepared(bytes: &[u8]) -> Result<(), Failure> {
    let file = object::File::parse(bytes)
        .map_err(|error| Failure::request(format!("not a boot stage with a system in it: {error}")))?;
    let mut contents = file.segments().filter_map(|segment| segment.data().ok());
    let image = contents
        .find(|data| data.starts_with(&MAGIC))
        .ok_or_else(|| Failure::request("the boot stage has no system in it".to_owned()))?;
    let parsed = Image::parse(image).map_err(|error| Failure::request(error.to_string()))?;
    verify(&parsed, image).map(|_| ())
}
