//! `capos build`: a boot image from a manifest.
//!
//! Called by `command`; calls `prepare`, and `files` to write the image.
//!
//! Invariant: the image appears whole or not at all, nothing that it is made from is written over, and the same inputs give
//! the same bytes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use capos_abi::image::MAGIC;

use crate::command::{files, prepare};
use crate::failure::Failure;
use crate::image::write;
use crate::layout::Layout;
use crate::options::BuildOptions;
use crate::progress::Progress;

/// Builds an image.
///
/// # Errors
/// The manifest is refused, a file is missing, or the image cannot be written.
pub(crate) fn build(options: &BuildOptions) -> Result<(), Failure> {
    let output = &options.output;
    let what = format!("-o {}", output.display());
    files::refuse_inputs(&what, output, [options.manifest.as_path()])?;
    refuse_other_kinds(&options.manifest)?;
    let layout = Layout::find()?;
    let package = prepare::load(&prepare::library(&layout), &options.manifest)?;
    let own: [PathBuf; 2] = [layout.kernel()?, layout.init()?];
    files::refuse_inputs(
        &what,
        output,
        own.iter().chain(&package.files).map(|path: &PathBuf| -> &Path { path }),
    )?;
    let _progress = Progress::of("making the boot image");
    let parts = prepare::parts(&layout, package, &options.kernel_option)?;
    let mut bytes = Vec::new();
    write(&parts, &mut bytes)?;
    files::write_whole(output, &bytes)
}

/// Says of a module or an image what it is; whatever else is no manifest is the manifest tool's to refuse.
fn refuse_other_kinds(path: &Path) -> Result<(), Failure> {
    let mut head = Vec::new();
    // A pipe gives its bytes only once, and a file that cannot be read is reported where it is needed.
    if path.is_file() {
        let _ = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    }
    let what = if head.starts_with(b"\0asm") {
        "a module; `capos run` takes it as it is"
    } else if head.starts_with(&MAGIC) {
        "a boot image already"
    } else {
        return Ok(());
    };
    Err(Failure::request(format!("{}: is {what}; `capos build` takes a .cue manifest", path.display())))
}
