//! `capos build`: a boot image from a manifest.
//!
//! Called by `command`; calls `prepare`.
//!
//! Invariant: the image appears whole or not at all, and the same inputs give the same bytes.

use std::io::Write;
use std::path::Path;

use capos_manifest_model::load;

use crate::command::prepare;
use crate::failure::{Context, Failure};
use crate::image::write;
use crate::layout::Layout;
use crate::options::BuildOptions;

/// Builds an image.
///
/// # Errors
/// The manifest is refused, a file is missing, or the image cannot be written.
pub(crate) fn build(options: &BuildOptions) -> Result<(), Failure> {
    let layout = Layout::find()?;
    let package = load(&prepare::library(&layout), &options.manifest)
        .map_err(|refusals| prepare::manifest_refused(&refusals))?;
    let parts = prepare::parts(&layout, package, &options.kernel_option)?;
    let folder = match options.output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let what = || format!("{} cannot be written", options.output.display());
    let mut bytes = Vec::new();
    write(&parts, &mut bytes)?;
    // Beside its place and under another name until it is whole: for as short as possible, because a signal leaves it.
    let mut file = tempfile::Builder::new()
        .prefix(".capos-image-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|error| Failure::request(format!("{}: {error}", what())))?;
    file.write_all(&bytes).or_host(what())?;
    file.persist(&options.output).or_host(what())?;
    Ok(())
}
