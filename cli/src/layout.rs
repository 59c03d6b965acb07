//! Where the files of capOS are: the folder `lib/capos` beside the command itself.
//!
//! Called by every verb; calls the file system. An installed tree has `bin/capos` and `lib/capos/`; in a clone cargo
//! puts the command into `target/debug` or `target/release` and the build of the freestanding crates puts the rest into
//! `target/capos/lib/capos`.
//!
//! Invariant: nothing depends on the current folder or on an environment variable.

use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure};

/// The folder with the files that capOS is made of.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Finds the folder from the path of the running command.
    ///
    /// # Errors
    /// There is none beside it.
    pub fn find() -> Result<Layout, Failure> {
        let command = std::env::current_exe().or_host("the path of the capos command cannot be found")?;
        Layout::beside(&command)
    }

    fn beside(command: &Path) -> Result<Layout, Failure> {
        let candidates: Vec<PathBuf> = command
            .ancestors()
            .skip(2)
            .take(1)
            .map(|prefix| prefix.join("lib/capos"))
            .chain(command.ancestors().skip(2).take(3).map(|target| target.join("capos/lib/capos")))
            .collect();
        match candidates.iter().find(|folder| folder.is_dir()) {
            Some(folder) => Ok(Layout { folder: folder.clone() }),
            None => Err(Failure::host(format!(
                "the files of capOS are missing: neither {} nor {} is a folder; in a clone, run `make build` first",
                candidates[0].display(),
                candidates.get(1).unwrap_or(&candidates[0]).display()
            ))),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The PVH boot stage.
    ///
    /// # Errors
    /// It is missing.
    pub fn boot_stage(&self) -> Result<PathBuf, Failure> {
        self.file("boot.elf")
    }

    /// The boot stage with the kernel, init and the WASI host in it.
    ///
    /// # Errors
    /// It is missing.
    pub fn system(&self) -> Result<PathBuf, Failure> {
        self.file("system.pvh")
    }

    /// The kernel.
    ///
    /// # Errors
    /// It is missing.
    pub fn kernel(&self) -> Result<PathBuf, Failure> {
        self.file("kernel.elf")
    }

    /// The first process.
    ///
    /// # Errors
    /// It is missing.
    pub fn init(&self) -> Result<PathBuf, Failure> {
        self.file("init.elf")
    }

    /// The WASI host, which runs every module.
    ///
    /// # Errors
    /// It is missing.
    pub fn adapter(&self) -> Result<PathBuf, Failure> {
        self.file("capos-wasm.elf")
    }

    /// The driver of the console.
    ///
    /// # Errors
    /// It is missing.
    pub fn console_driver(&self) -> Result<PathBuf, Failure> {
        self.file("virtio-console.elf")
    }

    /// The driver of the random device.
    ///
    /// # Errors
    /// It is missing.
    pub fn random_driver(&self) -> Result<PathBuf, Failure> {
        self.file("virtio-rng.elf")
    }

    /// The accelerator probe.
    ///
    /// # Errors
    /// It is missing.
    pub fn probe(&self) -> Result<PathBuf, Failure> {
        self.file("probe.pvh")
    }

    fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::host(format!(
            "{} is missing from this installation; install capOS again, or in a clone, run `make build` first",
            path.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout_of(root: &Path, command: &str) -> Option<PathBuf> {
        Layout::beside(&root.join(command)).ok().map(|it| it.folder)
    }

    #[test]
    fn installed_and_built_trees_are_found() {
        let root = tempfile::tempdir().unwrap();
        let installed = root.path().join("usr/lib/capos");
        let built = root.path().join("target/capos/lib/capos");
        std::fs::create_dir_all(&installed).unwrap();
        std::fs::create_dir_all(&built).unwrap();
        assert_eq!(layout_of(root.path(), "usr/bin/capos"), Some(installed));
        for command in ["target/debug/capos", "target/release/capos", "target/other/debug/capos"] {
            assert_eq!(layout_of(root.path(), command), Some(built.clone()), "{command}");
        }
        assert_eq!(layout_of(root.path(), "elsewhere/bin/capos"), None);
    }
}
