//! The files of a system: which there are, and their bytes.
//!
//! [`Library`] knows the programs that come with capOS; [`Blob`] is one file on its way into the boot image. Called by
//! `resolve` (which names parts) and by the host command (which reads them); calls the file system.
//!
//! Invariant: a part's bytes are read once, by [`Blob::read`], and a text module is a wasm module from there on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;

/// The programs that are not named by a manifest: the boot image always has them, under other names or none.
const NOT_PROGRAMS: [&str; 3] = ["boot", "kernel", "init"];

/// The folder `lib/capos` of an installed or built tree.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
}

impl Library {
    /// The library in this folder; nothing is read yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Library {
        Library { folder: folder.into() }
    }

    /// The names of the built-in programs (`NAME.elf` in the folder), sorted.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".elf").map(str::to_owned))
            .filter(|name| !NOT_PROGRAMS.contains(&name.as_str()) && !name.contains('.'))
            .collect();
        names.sort();
        names
    }

    /// The ELF of a built-in program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.elf"))
    }

    /// The CUE evaluator.
    #[must_use]
    pub fn manifest_tool(&self) -> PathBuf {
        self.folder.join("capos-manifest")
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobKind {
    /// A native program, an ELF.
    Program,
    /// A wasm module, in binary or in text form.
    Module,
    /// Any file, granted as a memory object.
    File,
}

/// One part of the boot image, still a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The part's name, 1 to 64 bytes.
    pub part: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// What it is.
    pub kind: BlobKind,
}

impl Blob {
    /// The part's bytes. A module in a file named `*.wat` is translated; a debug section is not added.
    ///
    /// # Errors
    /// The file cannot be read, or its text is not a module.
    pub fn read(&self) -> Result<Vec<u8>, Refusal> {
        let bytes = fs::read(&self.path)
            .map_err(|error| Refusal::general(format!("{}: cannot be read: {error}", self.path.display())))?;
        let is_text = self.kind == BlobKind::Module && self.path.extension().is_some_and(|it| it == "wat");
        if !is_text {
            return Ok(bytes);
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Refusal::general(format!("{}: a .wat file has to be UTF-8", self.path.display())))?;
        wat::Parser::new().parse_str(Some(&self.path), &text).map_err(|error| Refusal::general(error.to_string()))
    }
}
