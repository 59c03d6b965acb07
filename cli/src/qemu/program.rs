//! Finds QEMU.
//!
//! Called by `command` and by `accelerator`; looks through the folders of `PATH`.
//!
//! Invariant: what it returns is an executable file at the time of the call.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The name of the emulator of the machines that capOS runs on.
pub const NAME: &str = "qemu-system-x86_64";

/// What to install, for the three families of Linux distributions.
pub const INSTALL: &str = "Debian: apt install qemu-system-x86; Fedora: dnf install qemu-system-x86-core; Arch: pacman -S qemu-system-x86";

/// The emulator's path.
///
/// # Errors
/// It is in no folder of `PATH`.
pub fn find() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(NAME))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| Failure::host(format!("{NAME} is in no folder of PATH; install QEMU ({INSTALL})")))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
