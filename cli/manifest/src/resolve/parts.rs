//! The files of a system as parts of the boot image: one part for each file, however often it is used.
//!
//! Called by `instance`, `native` and for the document's `parts`; calls the file system.
//!
//! Invariant: part names are distinct, and each names a file that was there, or the bytes of a translated text module.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{At, Resolver};
use crate::system::Contents;

/// The parts that have been named so far.
pub(super) struct Parts {
    folder: PathBuf,
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
    /// No parts yet; files are relative to `folder`.
    pub(super) fn new(folder: &Path) -> Parts {
        Parts { folder: folder.to_owned(), named: Vec::new() }
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
        let (bytes, contents) = match file.extension() {
            Some(extension) if kind == Kind::Module && extension == "wat" => {
                let module = self.translated(&file, at)?;
                (module.len() as u64, Contents::Bytes(module))
            }
            _ => (bytes, Contents::File(file.clone())),
        };
        self.parts.named.push(Named { part: name.clone(), file, kind, bytes, contents });
        Some(Part { name, bytes })
    }

    /// The module of a file in text form.
    fn translated(&mut self, file: &Path, at: &At) -> Option<Vec<u8>> {
        match wat::parse_file(file) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                self.refuse(at, format!("not a module in text form: {line}"), "a WebAssembly module");
                None
            }
        }
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
