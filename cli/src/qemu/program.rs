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
#[derive(Debug)]
pub struct Packages {
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
}

impl Packages {
    /// The command for each family, with its name.
    #[must_use]
    pub fn commands(&self) -> [String; 3] {
        [
            format!("Debian: apt install {}", self.debian),
            format!("Fedora: dnf install {}", self.fedora),
            format!("Arch: pacman -S {}", self.arch),
        ]
    }
}

/// QEMU itself.
pub const PACKAGES: Packages =
    Packages { debian: "qemu-system-x86", fedora: "qemu-system-x86-core", arch: "qemu-system-x86" };

/// The firmware qboot.rom.
pub const QBOOT: Packages =
    Packages { debian: "qemu-system-data", fedora: "qboot", arch: "qemu-system-x86-firmware" };

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
        .ok_or_else(|| {
            let install = PACKAGES.commands().join("; ");
            Failure::host(format!("{NAME} is in no folder of PATH; install QEMU ({install})"))
        })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
