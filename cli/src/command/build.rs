//! `capos build`: a boot image from a manifest.
//!
//! Called by `command`; calls `prepare`, and `files` to write the image.
//!
//! Invariant: the image appears whole or not at all, nothing that it is made from is written over, and the same inputs give
//! the same bytes.

use std::path::{Path, PathBuf};

use crate::command::{files, prepare};
use crate::failure::Failure;
use crate::image::write;
use crate::layout::Layout;
use crate::options::BuildOptions;

/// Builds an image.
///
/// # Errors
/// The manifest is refused, a file is missing, or the image cannot be written.
pub(crate) fn build(options: &BuildOptions) -> Result<(), Failure> {
    let output = &options.output;
    let what = format!("-o {}", output.display());
    files::refuse_inputs(&what, output, [options.manifest.as_path()])?;
    let layout = Layout::find()?;
    let package = prepare::load(&prepare::library(&layout), &options.manifest)?;
    let own: [PathBuf; 2] = [layout.kernel()?, layout.init()?];
    files::refuse_inputs(
        &what,
        output,
        own.iter().chain(&package.files).map(|path: &PathBuf| -> &Path { path }),
    )?;
    let parts = prepare::parts(&layout, package, &options.kernel_option)?;
    let mut bytes = Vec::new();
    write(&parts, &mut bytes)?;
    files::write_whole(output, &bytes)
}
