//! A stand-in for QEMU that changes what `capos` has no option for, then becomes QEMU.
//!
//! Called by `ground` for runs that say `without`, because the machine that `capos` asks for always has every device, and
//! for the modes in which the accelerator is told more than its name.
//!
//! Invariant: everything else of the command line is handed on as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// QEMU's program.
const QEMU: &str = "qemu-system-x86_64";

/// What becomes of a command line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Devices to leave out, by the beginning of their names.
    pub(crate) without: &'a [String],
    /// What `-accel` is told instead.
    pub(crate) accelerator: Option<&'a str>,
}

/// Writes the stand-in into `scratch`, if anything is to be changed; returns its folder.
///
/// # Errors
/// It cannot be written, or QEMU is in no folder of `PATH`.
pub(crate) fn write(changes: &Changes<'_>, scratch: &Path) -> Result<Option<PathBuf>, String> {
    if changes.without.is_empty() && changes.accelerator.is_none() {
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
    fs::write(&file, script(changes, &qemu)).map_err(told)?;
    fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(told)?;
    Ok(Some(folder))
}

/// Goes through the arguments once, putting back at the end what is to stay.
fn script(changes: &Changes<'_>, qemu: &Path) -> String {
    let mut cases = String::new();
    if !changes.without.is_empty() {
        let pattern: Vec<String> =
            changes.without.iter().map(|device| format!("'-device {device}'*")).collect();
        cases += &format!("  {}) shift; left=$((left - 1)); continue ;;\n", pattern.join("|"));
    }
    if let Some(accelerator) = changes.accelerator {
        cases += &format!(
            "  '-accel '*) shift; left=$((left - 1)); set -- \"$@\" -accel '{accelerator}'; continue ;;\n"
        );
    }
    format!(
        "#!/bin/sh\nleft=$#\nwhile [ $left -gt 0 ]; do\n  word=$1; shift; left=$((left - 1))\n  \
         case \"$word $1\" in\n{cases}  esac\n  set -- \"$@\" \"$word\"\ndone\nexec '{}' \"$@\"\n",
        qemu.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn changed(changes: &Changes<'_>, words: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stand-in");
        fs::write(&file, script(changes, Path::new("/bin/echo"))).unwrap();
        let output = Command::new("sh").arg(&file).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn only_the_device_is_left_out() {
        let words = [
            "-a",
            "b c",
            "-device",
            "virtio-rng-device",
            "-device",
            "other,x=1",
            "-accel",
            "tcg",
            "-device",
            "virtio-rng-pci",
        ];
        let without = ["virtio-rng".to_owned()];
        let changes = Changes { without: &without, accelerator: None };
        assert_eq!(changed(&changes, &words), "-a b c -device other,x=1 -accel tcg\n");
    }

    #[test]
    fn the_accelerator_is_told_more() {
        let changes = Changes { without: &[], accelerator: Some("tcg,thread=multi") };
        let words = ["-M", "q35", "-accel", "tcg", "-device", "virtio-rng-pci", "-S"];
        assert_eq!(changed(&changes, &words), "-M q35 -accel tcg,thread=multi -device virtio-rng-pci -S\n");
    }
}
