//! What FILE is: a module, a manifest or an image; and what can be refused without a machine.
//!
//! Called by `run` and `check`; reads the file, once, because a pipe gives its bytes only once.
//!
//! Invariant: a refusal here is a courtesy. The adapter in the guest judges every module by itself, whatever passed here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use capos_abi::image;
use capos_manifest_model::is_text_module;

use crate::failure::Failure;

/// Bytes that tell what a file is.
const HEAD_BYTES: u64 = 256;
/// Bytes that are read at most from what is no regular file: it may have no end.
const STREAM_BYTES_MAX: u64 = 1 << 30;
/// Bytes of [`image::MAGIC`] that make a file look like a damaged image rather than like something else.
const MAGIC_BYTES_ALIKE: usize = 5;

/// What a file is, by its content or, for a manifest, by its name; with the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A wasm module, binary or text.
    Module(Vec<u8>),
    /// A CUE file, which is not read here.
    Manifest,
    /// A boot image.
    Image {
        /// What it holds.
        bytes: Vec<u8>,
        /// True if QEMU can read it by its path.
        is_file: bool,
    },
}

/// For which verb a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `capos run`, which takes modules as well.
    Run,
    /// `capos check`.
    Check,
}

impl Verb {
    fn accepted(self) -> &'static str {
        match self {
            Verb::Run => "expected a .wasm or .wat module, a .cue manifest or a boot image",
            Verb::Check => "`capos check` takes a .cue manifest or a boot image",
        }
    }
}

/// Tells what the file is, and reads it.
///
/// # Errors
/// It is nothing that the verb takes; says what it is instead and what to do.
pub(crate) fn open(path: &Path, verb: Verb) -> Result<Subject, Failure> {
    inspect(path, verb).map_err(|what| Failure::request(format!("{}: {what}", path.display())))
}

fn inspect(path: &Path, verb: Verb) -> Result<Subject, String> {
    if path.as_os_str() == "-" {
        return Err(
            "does not stand for standard input; write /dev/stdin, or ./- for a file of this name".into()
        );
    }
    let metadata = path.metadata().map_err(|error| reason(&error))?;
    if metadata.is_dir() {
        return Err(format!("is a folder; {}", verb.accepted()));
    }
    if path.extension().is_some_and(|it| it == "cue") {
        return Ok(Subject::Manifest);
    }
    let mut file = File::open(path).map_err(|error| reason(&error))?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    let is_image = is_image(path, &bytes, verb)?;
    let rest = if metadata.is_file() { u64::MAX } else { STREAM_BYTES_MAX };
    let count = file.take(rest).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if count as u64 == STREAM_BYTES_MAX && !metadata.is_file() {
        return Err("has more than 1 GiB; write it into a regular file first".to_owned());
    }
    Ok(if is_image { Subject::Image { bytes, is_file: metadata.is_file() } } else { Subject::Module(bytes) })
}

/// True for an image, false for a module, by the first bytes.
fn is_image(path: &Path, head: &[u8], verb: Verb) -> Result<bool, String> {
    let has_extension = |name: &str| path.extension().is_some_and(|it| it == name);
    if head.is_empty() {
        return Err(format!("is empty; {}", verb.accepted()));
    }
    if head.starts_with(&image::MAGIC) {
        return Ok(true);
    }
    if has_extension("wat") || head.starts_with(b"\0asm") || is_text_module(head) {
        return match verb {
            Verb::Run => Ok(false),
            Verb::Check => Err(format!("is a module; {}", verb.accepted())),
        };
    }
    let is_named_image = has_extension("img") || has_extension("image");
    if is_named_image || is_like_image(head) {
        return Err(format!(
            "is not a boot image, or a damaged one: {}; a boot image starts with {}",
            beginning(head, image::MAGIC.len()),
            hexadecimal(&image::MAGIC)
        ));
    }
    Err(match verb {
        Verb::Run => foreign(head),
        Verb::Check => format!("is neither; {}: {}", verb.accepted(), beginning(head, 4)),
    })
}

/// True if most of the first bytes are those of an image.
fn is_like_image(head: &[u8]) -> bool {
    head.iter().zip(image::MAGIC).filter(|(byte, magic)| **byte == *magic).count() >= MAGIC_BYTES_ALIKE
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
    format!("is not a WebAssembly module: {}; a module starts with 00 61 73 6d", beginning(head, 4))
}

fn beginning(head: &[u8], count: usize) -> String {
    let bytes = &head[..count.min(head.len())];
    let word = if bytes.len() == 1 { "byte" } else { "bytes" };
    format!("it starts with the {word} {}", hexadecimal(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    fn judge(name: &str, contents: &[u8], verb: Verb) -> Result<Subject, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let prefix = format!("{}: ", path.display());
        open(&path, verb).map_err(|failure| failure.message.replace(&prefix, ""))
    }

    #[test]
    fn content_decides() {
        let module = |contents: &[u8]| Ok(Subject::Module(contents.to_vec()));
        for (name, contents) in [
            ("a", &b"\0asm\x01\0\0\0"[..]),
            ("a.wat", b"nonsense"),
            ("a", b" (module)"),
            ("a.wasm", b"\xef\xbb\xbf;; text\n(module)"),
            ("a.img", b"\0asm\x01\0\0\0"),
        ] {
            assert_eq!(judge(name, contents, Verb::Run), module(contents), "{name}");
        }
        assert_eq!(judge("a.cue", b"", Verb::Run), Ok(Subject::Manifest));
        let image = Subject::Image { bytes: b"capOSimg...".to_vec(), is_file: true };
        for verb in [Verb::Run, Verb::Check] {
            assert_eq!(judge("a.wasm", b"capOSimg...", verb), Ok(image.clone()));
        }
    }

    #[test]
    fn long_files_are_read_whole() {
        let contents = [&b"\0asm"[..], &[7; 100_000]].concat();
        assert_eq!(judge("a", &contents, Verb::Run), Ok(Subject::Module(contents)));
    }

    #[test]
    fn any_path_names_a_file() {
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.wasm");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), b"\0asm").unwrap();
        assert_eq!(open(&folder.path().join(name), Verb::Run), Ok(Subject::Module(b"\0asm".to_vec())));
    }

    #[test]
    fn refusals_say_what_it_is() {
        let table: [(&str, &[u8], &str); 7] = [
            ("a", b"", "is empty; expected a .wasm or .wat module, a .cue manifest or a boot image"),
            ("a", b"\x7fELF...", "is an ELF program, not a WebAssembly module; compile it for wasm32-wasip1"),
            ("a", b"#!/bin/sh", "is a script, not a WebAssembly module"),
            (
                "a",
                b"MZ",
                "is not a WebAssembly module: it starts with the bytes 4d 5a; a module starts with 00 61 73 6d",
            ),
            (
                "a.wasm",
                b"\0as",
                "is not a WebAssembly module: it starts with the bytes 00 61 73; a module starts with 00 61 73 6d",
            ),
            (
                "a.img",
                b"c",
                "is not a boot image, or a damaged one: it starts with the byte 63; a boot image starts with 63 61 70 4f 53 69 6d 67",
            ),
            (
                "a",
                b"capOSimh............",
                "is not a boot image, or a damaged one: it starts with the bytes 63 61 70 4f 53 69 6d 68; a boot image starts with 63 61 70 4f 53 69 6d 67",
            ),
        ];
        for (name, contents, message) in table {
            assert_eq!(judge(name, contents, Verb::Run), Err(message.to_owned()));
        }
        let message = |path: &str| open(Path::new(path), Verb::Run).unwrap_err().message;
        assert_eq!(message("/nonexistent.wasm"), "/nonexistent.wasm: there is no such file");
        assert_eq!(reason(&std::io::ErrorKind::PermissionDenied.into()), "cannot be read: permission denied");
        assert!(message("/").starts_with("/: is a folder"));
        assert!(message("/dev/null").starts_with("/dev/null: is empty"));
        assert!(message("/dev/zero").contains("starts with the bytes 00 00 00 00"));
        assert!(message("-").starts_with("-: does not stand for standard input; write /dev/stdin"));
    }

    #[test]
    fn check_says_what_it_takes() {
        let takes = "`capos check` takes a .cue manifest or a boot image";
        let judge = |name: &str, contents: &[u8]| judge(name, contents, Verb::Check).unwrap_err();
        assert_eq!(judge("a.img", b""), format!("is empty; {takes}"));
        assert_eq!(judge("a", b"\0asm"), format!("is a module; {takes}"));
        assert_eq!(judge("a", b"x"), format!("is neither; {takes}: it starts with the byte 78"));
        assert!(judge("a.image", b"xxxxxxxxxxxx").contains("a boot image starts with 63 61 70"));
    }
}
