//! A stand-in for QEMU that leaves devices out of the command line, then becomes QEMU.
//!
//! Called by `judge` for runs that say `without`; the machine that `capos` asks for always has every device.
//!
//! Invariant: everything else of the command line is handed on as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// QEMU's program.
const QEMU: &str = "qemu-system-x86_64";

/// Writes the stand-in into `scratch`, if any device is to be left out; returns its folder.
///
/// # Errors
/// It cannot be written, or QEMU is in no folder of `PATH`.
pub(crate) fn without(devices: &[String], scratch: &Path) -> Result<Option<PathBuf>, String> {
    if devices.is_empty() {
        return Ok(None);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let qemu = std::env::split_paths(&path)
        .map(|folder| folder.join(QEMU))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("{QEMU} is in no folder of PATH"))?;
    let folder = scratch.join("bin");
    let file = folder.join(QEMU);
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    fs::create_dir_all(&folder).map_err(told)?;
    fs::write(&file, script(devices, &qemu)).map_err(told)?;
    fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(told)?;
    Ok(Some(folder))
}

/// Goes through the arguments once, putting back at the end what is to stay.
fn script(devices: &[String], qemu: &Path) -> String {
    let pattern: Vec<String> = devices.iter().map(|device| format!("'{device}'*")).collect();
    format!(
        "#!/bin/sh\nleft=$#\nwhile [ $left -gt 0 ]; do\n  word=$1; shift; left=$((left - 1))\n  \
         if [ \"$word\" = -device ]; then\n    case $1 in\n    {}) shift; left=$((left - 1)); continue ;;\n    \
         esac\n  fi\n  set -- \"$@\" \"$word\"\ndone\nexec '{}' \"$@\"\n",
        pattern.join("|"),
        qemu.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_device_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stand-in");
        fs::write(&file, script(&["virtio-rng".to_owned()], Path::new("/bin/echo"))).unwrap();
        let words = [
            "-a",
            "b c",
            "-device",
            "virtio-rng-device",
            "-device",
            "other,x=1",
            "-device",
            "virtio-rng-pci",
        ];
        let output = Command::new("sh").arg(&file).args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "-a b c -device other,x=1\n");
    }
}
