//! The files of a system as parts of the boot image: one part for each file, however often it is used.
//!
//! Called by `instance`, `native` and for the document's `parts`; calls the file system, and the
//! kernel's reader of ELF files.
//!
//! Invariant: part names are distinct, and each names a file that was there, or the bytes of a translated text module.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use capos_kernel_core::elf::{Executable, HEAD_BYTES as ELF_HEAD_BYTES, PROGRAM_WINDOW};

use super::{At, Resolver};
use crate::module::{is_text_module, translate};
use crate::system::Contents;

/// Bytes of a file that tell whether it is a module in text form.
const HEAD_BYTES: u64 = 256;

/// The parts that have been named so far.
pub(super) struct Parts {
    folder: PathBuf,
    /// The bytes of the only module, if they are at hand.
    module: Option<Vec<u8>>,
    named: Vec<Named>,
}

struct Named {
    part: String,
    file: PathBuf,
    kind: Kind,
    bytes: u64,
    contents: Contents,
}

/// What a file is: a module may be in text form, anything else is taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A wasm module.
    Module,
    /// Any other file.
    Plain,
}

/// A file that became a part.
pub(super) struct Part {
    /// The part's name.
    pub(super) name: String,
    /// Bytes of it.
    pub(super) bytes: u64,
}

impl Parts {
    /// No parts yet; files are relative to `folder`, and `module` is the contents of the only module, if it is not to be
    /// read from its file.
    pub(super) fn new(folder: &Path, module: Option<Vec<u8>>) -> Parts {
        Parts { folder: folder.to_owned(), module, named: Vec::new() }
    }

    /// The files that became parts.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.named.iter().map(|named| named.file.clone()).collect()
    }

    /// Bytes of all of them together.
    pub(super) fn bytes(&self) -> u64 {
        self.named.iter().fold(0, |sum: u64, named| sum.saturating_add(named.bytes))
    }

    /// All parts, in the order in which they were named.
    pub(super) fn into_contents(self) -> Vec<(String, Contents)> {
        self.named.into_iter().map(|named| (named.part, named.contents)).collect()
    }
}

impl Resolver<'_> {
    /// The part with the file `path`, which the document names at `at`. A file that is a part already keeps its name.
    pub(super) fn part(&mut self, name: String, kind: Kind, path: &str, at: &At) -> Option<Part> {
        let file = self.parts.folder.join(path);
        if kind == Kind::Module
            && let Some(module) = self.parts.module.take()
        {
            return self.given_module(name, module, file, path, at);
        }
        let accepted = match kind {
            Kind::Module => "the path of a .wasm or .wat file, relative to the manifest",
            Kind::Plain => "the path of a file, relative to the manifest",
        };
        let bytes = match fs::metadata(&file) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => {
                self.refuse(at, format!("\"{path}\" is not a file"), accepted);
                return None;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.refuse(at, format!("no file \"{path}\""), accepted);
                return None;
            }
            Err(error) => {
                self.refuse(at, format!("the file \"{path}\" cannot be read: {error}"), accepted);
                return None;
            }
        };
        let file = fs::canonicalize(&file).unwrap_or(file);
        let known = self.parts.named.iter().find(|named| named.file == file && named.kind == kind);
        if let Some(named) = known {
            return Some(Part { name: named.part.clone(), bytes: named.bytes });
        }
        let (bytes, contents) = if kind == Kind::Module && is_text(&file) {
            let module = self.translated(path, &file, at)?;
            (module.len() as u64, Contents::Bytes(module))
        } else {
            (bytes, Contents::File(file.clone()))
        };
        self.parts.named.push(Named { part: name.clone(), file, kind, bytes, contents });
        Some(Part { name, bytes })
    }

    /// Whether the kernel would take the file `path` for a program; refuses it at `at` with the kernel's words if not.
    pub(super) fn is_executable(&mut self, path: &str, at: &At) -> bool {
        let file = self.parts.folder.join(path);
        let mut head = Vec::new();
        let read = File::open(&file).and_then(|file| {
            let bytes = file.metadata()?.len();
            file.take(ELF_HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(bytes)
        });
        let problem = match read.map(|bytes| Executable::parse(&head, bytes, PROGRAM_WINDOW)) {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) => format!("\"{path}\" is no program for capOS: {}", error.text()),
            Err(error) => format!("the file \"{path}\" cannot be read: {error}"),
        };
        self.refuse(at, problem, "a static ELF file, as `make program` makes them");
        false
    }

    /// The part with a module whose bytes are at hand.
    fn given_module(
        &mut self,
        name: String,
        module: Vec<u8>,
        file: PathBuf,
        path: &str,
        at: &At,
    ) -> Option<Part> {
        let module = match is_text_module(&module) || has_text_name(&file) {
            true => self.module_of_text(path, &module, at)?,
            false => module,
        };
        let bytes = module.len() as u64;
        let contents = Contents::Bytes(module);
        self.parts.named.push(Named { part: name.clone(), file, kind: Kind::Module, bytes, contents });
        Some(Part { name, bytes })
    }

    /// The module of a file in text form.
    fn translated(&mut self, path: &str, file: &Path, at: &At) -> Option<Vec<u8>> {
        match fs::read(file) {
            Ok(text) => self.module_of_text(path, &text, at),
            Err(error) => {
                self.refuse(at, format!("the file \"{path}\" cannot be read: {error}"), "");
                None
            }
        }
    }

    fn module_of_text(&mut self, path: &str, text: &[u8], at: &At) -> Option<Vec<u8>> {
        translate(path, text).map_err(|message| self.refuse(at, message, "")).ok()
    }

    /// Makes parts of the files that the document lists.
    pub(super) fn add_files(&mut self) {
        let document = self.document;
        for (name, path) in &document.parts.0 {
            let at = At::root().field("parts").field(name);
            if let Some(part) = self.part(format!("file/{name}"), Kind::Plain, path, &at) {
                self.files.insert(name, part.name);
            }
        }
    }
}

fn has_text_name(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "wat")
}

/// True for a module in text form, by its name or by its beginning.
fn is_text(file: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(file).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    has_text_name(file) || (read.is_ok() && is_text_module(&head))
}
