//! What FILE is: a module, a manifest or an image; and what can be refused without a machine.
//!
//! Called by `run` and `check`; reads the first bytes of the file.
//!
//! Invariant: a refusal here is a courtesy. The adapter in the guest judges every module by itself, whatever passed here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use capos_abi::image;

use crate::failure::Failure;

/// What a file is, by its content or, for the kinds that are text, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A wasm module, binary or text.
    Module,
    /// A CUE file.
    Manifest,
    /// A boot image.
    Image,
}

/// Tells what the file is.
///
/// # Errors
/// It is nothing that can be run; says what it is instead and what to do.
pub(crate) fn kind(path: &Path) -> Result<Kind, Failure> {
    let refuse = |what: &str| Err(Failure::request(format!("{}: {what}", path.display())));
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return refuse(&reason(&error)),
    };
    if metadata.is_dir() {
        return refuse("is a folder; expected a .wasm or .wat module, a .cue manifest or a boot image");
    }
    if !metadata.is_file() {
        return refuse("is not a regular file; write the module into a file first");
    }
    if path.extension().is_some_and(|it| it == "cue") {
        return Ok(Kind::Manifest);
    }
    let head = match head(path) {
        Ok(head) => head,
        Err(error) => return refuse(&reason(&error)),
    };
    if head.is_empty() {
        return refuse("is empty; expected a WebAssembly module");
    }
    if path.extension().is_some_and(|it| it == "wat") || head.starts_with(b"\0asm") {
        return Ok(Kind::Module);
    }
    if head.starts_with(&image::MAGIC) {
        return Ok(Kind::Image);
    }
    refuse(&foreign(&head))
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut head)?;
    Ok(head)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn foreign(head: &[u8]) -> String {
    if head.starts_with(b"\x7fELF") {
        return "is an ELF program, not a WebAssembly module; compile it for wasm32-wasip1".to_owned();
    }
    if head.starts_with(b"#!") {
        return "is a script, not a WebAssembly module".to_owned();
    }
    let text = head.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b"(component") || text.starts_with(b";;") {
        return "looks like WebAssembly text; give the file the extension .wat".to_owned();
    }
    let bytes: Vec<String> = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "is not a WebAssembly module: it starts with the bytes {}; a module starts with 00 61 73 6d",
        bytes.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn judge(name: &str, contents: &[u8]) -> Result<Kind, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let prefix = format!("{}: ", path.display());
        kind(&path).map_err(|failure| failure.message.replace(&prefix, ""))
    }

    #[test]
    fn content_decides() {
        assert_eq!(judge("a", b"\0asm\x01\0\0\0"), Ok(Kind::Module));
        assert_eq!(judge("a.wat", b"(module)"), Ok(Kind::Module));
        assert_eq!(judge("a.cue", b""), Ok(Kind::Manifest));
        assert_eq!(judge("a.wasm", b"capOSimg..."), Ok(Kind::Image));
    }

    #[test]
    fn refusals_say_what_it_is() {
        let table: [(&[u8], &str); 6] = [
            (b"", "is empty; expected a WebAssembly module"),
            (b"\x7fELF...", "is an ELF program, not a WebAssembly module; compile it for wasm32-wasip1"),
            (b"#!/bin/sh", "is a script, not a WebAssembly module"),
            (b" (module)", "looks like WebAssembly text; give the file the extension .wat"),
            (
                b"MZ",
                "is not a WebAssembly module: it starts with the bytes 4d 5a; a module starts with 00 61 73 6d",
            ),
            (
                b"\0as",
                "is not a WebAssembly module: it starts with the bytes 00 61 73; a module starts with 00 61 73 6d",
            ),
        ];
        for (contents, message) in table {
            assert_eq!(judge("a.wasm", contents), Err(message.to_owned()));
        }
        let message = |path: &str| kind(Path::new(path)).unwrap_err().message;
        assert_eq!(message("/nonexistent.wasm"), "/nonexistent.wasm: there is no such file");
        assert!(message("/").starts_with("/: is a folder"));
        assert!(message("/dev/null").starts_with("/dev/null: is not a regular file"));
    }
}
