//! Remembers what the probe found.
//!
//! Called by `accelerator`; the files are in the user's cache folder (`$XDG_CACHE_HOME/capos/accelerator`).
//!
//! Invariant: a verdict is read back only for the same emulator, guest, processor, microcode and kernel. A cache that
//! cannot be read or written only costs time. Files appear whole: two runs at once cannot disturb each other.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::accelerator::Verdict;
use crate::folders;
use crate::qemu::machine::Accelerator;

/// The folder, if the user has one.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    Some(folders::cache()?.join("accelerator"))
}

/// The name of the file for this emulator and guest on this machine.
#[must_use]
pub fn key(emulator: &Path, guest: &Path) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/version").unwrap_or_default();
    key_of(&[
        &identity(emulator),
        &identity(guest),
        first_line(&processor, "model name"),
        first_line(&processor, "microcode"),
        kernel.trim(),
        Accelerator::Kvm.cpu(),
    ])
}

fn key_of(facts: &[&str]) -> String {
    let digest = Sha256::digest(facts.join("\n"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Stands for the version of a program without starting it: an update changes size or time.
fn identity(file: &Path) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    match path.metadata() {
        Ok(it) => format!("{} {} {}.{}", path.display(), it.size(), it.mtime(), it.mtime_nsec()),
        Err(_) => path.display().to_string(),
    }
}

fn first_line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(name)).unwrap_or("")
}

/// The verdict in this file; none if there is none or it cannot be read.
#[must_use]
pub fn read(file: &Path) -> Option<Verdict> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Keeps a verdict; failing to do so is no failure.
pub fn write(file: &Path, verdict: &Verdict) {
    let keep = || -> Option<()> {
        let folder = file.parent()?;
        fs::create_dir_all(folder).ok()?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder).ok()?;
        temporary.write_all(&serde_json::to_vec(verdict).ok()?).ok()?;
        temporary.persist(file).ok()?;
        Some(())
    };
    let _ = keep();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/key");
        assert_eq!(read(&file), None);
        let verdict = Verdict { works: true, reason: "ran".into() };
        write(&file, &verdict);
        assert_eq!(read(&file), Some(verdict));
        fs::write(&file, "half").unwrap();
        assert_eq!(read(&file), None);
    }

    #[test]
    fn another_emulator_has_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let (emulator, guest) = (folder.path().join("qemu"), folder.path().join("probe"));
        fs::write(&emulator, "1").unwrap();
        fs::write(&guest, "1").unwrap();
        let before = key(&emulator, &guest);
        assert_eq!(before, key(&emulator, &guest));
        fs::write(&emulator, "22").unwrap();
        assert_ne!(before, key(&emulator, &guest));
        assert_ne!(key_of(&["cpu A", "1"]), key_of(&["cpu B", "1"]));
    }
}
