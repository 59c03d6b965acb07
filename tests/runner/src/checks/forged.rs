//! Boot images that state of a module that it was validated, with another module in them.
//!
//! Rows of `checks`. The images are those of `tests/system/forged*.cue`, with one byte of the module's only function changed
//! and the image's checksums put right again, as somebody would who wants the machine to run what no host has validated.
//!
//! Invariant: the function never runs, and the run ends as "invalid", whether the image states something or not.

use std::fs;
use std::process::Command;

use capos_abi::checksum::crc32c;
use capos_abi::image::{HEADER_BYTES, Image, PART_BYTES, Part, encode_header, encode_part};

use super::{Tools, holds, status};
use crate::case::Run;

/// Exit status of a run that is refused.
const REFUSED: i32 = 126;
/// The body of the function: `i32.const 1`, `drop`, the end. Without `drop` a value is left over.
const BODY: [u8; 4] = [0x41, 1, 0x1a, 0x0b];
const NOP: u8 = 0x01;
/// What is said about it.
const LINE: &str = "capos: invalid: the module is not valid: type mismatch: values remaining on stack at end of block (at \
                    offset 0x26), in function 0";

/// An image with a statement, and one that asks for validation before the start.
pub(super) fn refused(tools: &Tools<'_>) -> Result<String, String> {
    for manifest in ["forged.cue", "forged-boot.cue"] {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("forged.image");
        let output = Command::new(&tools.ground.capos)
            .args(["build", "-o"])
            .arg(&file)
            .arg(tools.place.tests().join("system").join(manifest))
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("capos build: {}", String::from_utf8_lossy(&output.stderr)));
        }
        status(&tools.show(&file, &Run::plain())?, 0)?;
        let bytes = fs::read(&file).map_err(|error| error.to_string())?;
        fs::write(&file, forge(&bytes)?).map_err(|error| error.to_string())?;
        let shown = tools.show(&file, &Run::plain())?;
        let says = shown.stderr_text().lines().any(|line| line == LINE);
        holds(says, &format!("{manifest}: standard error lacks {LINE:?}"), &shown)?;
        status(&shown, REFUSED)?;
    }
    Ok("refused with and without the statement".to_owned())
}

/// The image with another function in its module and a right table.
fn forge(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let image = Image::parse(bytes).map_err(|error| error.to_string())?;
    let mut forged = bytes.to_vec();
    let mut table = Vec::with_capacity(image.parts().count() * PART_BYTES);
    for part in image.parts() {
        let range = part.offset as usize..(part.offset + part.length) as usize;
        let contents = forged.get_mut(range).ok_or("a part outside of the image")?;
        if part.name.starts_with("module/") {
            let body = contents.windows(BODY.len()).position(|window| window == BODY);
            let drop = body.map(|at| at + 2).ok_or("the module has no such body")?;
            contents[drop] = NOP;
        }
        let row = encode_part(&Part { checksum: crc32c(contents), ..part });
        table.extend_from_slice(&row.ok_or("a name that is too long")?);
    }
    let header = encode_header(&table, bytes.len() as u64);
    forged[..header.len()].copy_from_slice(&header);
    forged[HEADER_BYTES..HEADER_BYTES + table.len()].copy_from_slice(&table);
    Ok(forged)
}
