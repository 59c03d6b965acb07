//! A file without a name, for a boot image that lives as long as the run.
//!
//! Called by `capos run`; the memory is the kernel's (memfd).
//!
//! Invariant: nothing has to be removed: the file ends with the last process that has it open, SIGKILL included.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::failure::{Context, Failure};

/// A new, empty file in memory, inherited by child processes.
///
/// # Errors
/// The host has no descriptor or memory left.
pub fn memory_file(name: &str) -> Result<File, Failure> {
    let descriptor: OwnedFd =
        memfd_create(name, MemfdFlags::empty()).or_host("a file in memory cannot be made")?;
    Ok(File::from(descriptor))
}

/// The path by which this process and its children can open the file.
#[must_use]
pub fn memory_file_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
}
