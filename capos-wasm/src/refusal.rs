//! Why a module is not started, in words for people.
//!
//! Made by [`crate::engine`] and [`crate::link`] before the first instruction of the guest runs.
//!
//! Invariant: each cause has its own message, and text from the module is escaped and cut.

use alloc::string::String;
use core::fmt;

use wasmi::FuncType;

use crate::launch::LaunchError;
use crate::table::Signature;

/// Bytes of one text from the module that are shown: several fit in an exit report.
const SHOWN_BYTES_MAX: usize = 200;

/// Why a module is refused.
#[derive(Debug)]
pub enum Refusal {
    /// There are no bytes.
    Empty,
    /// An ELF program.
    Elf,
    /// WebAssembly in its text form.
    Text,
    /// Something else.
    NotWasm,
    /// A component.
    Component,
    /// A version of the binary format that nobody knows.
    Version([u8; 4]),
    /// It does not validate.
    Malformed(String),
    /// It validates only with a feature that the engine lacks.
    Feature(String),
    /// An import that is not in the table: its module, name and kind.
    UnknownImport(String, String, &'static str),
    /// An import of a function of the table with another type.
    WrongSignature {
        /// The import's module.
        module: String,
        /// The import's name.
        name: &'static str,
        /// The type in the table.
        expected: FuncType,
        /// The type in the module.
        found: FuncType,
    },
    /// Neither a command nor a reactor.
    NoEntry,
    /// A reactor: it exports `_initialize` and not `_start`.
    Reactor,
    /// The export of this name is no function without parameters and results.
    WrongEntry(&'static str),
    /// Its linear memory is larger than permitted from the start: bytes asked for, bytes permitted.
    MemoryLimit(usize, u64),
    /// It needs more linear memories than are permitted.
    Memories,
    /// It needs larger or more tables than are permitted.
    Tables,
    /// The launch parameters are not right.
    Launch(LaunchError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => formatter.write_str("the file is empty; a WebAssembly module is needed"),
            Refusal::Elf => formatter.write_str(
                "this is an ELF program, not WebAssembly; compile it for wasm32-wasip1 (Rust: --target wasm32-wasip1)",
            ),
            Refusal::Text => formatter
                .write_str("this is WebAssembly text; give the file the ending .wat, or convert it to binary"),
            Refusal::NotWasm => {
                formatter.write_str("this is not a WebAssembly module: it does not begin with the bytes 00 61 73 6d")
            }
            Refusal::Component => formatter.write_str(
                "this is a component, and components do not run yet; build a core module (Rust: --target wasm32-wasip1)",
            ),
            Refusal::Version(bytes) => write!(
                formatter,
                "unknown version {:#x} of the WebAssembly binary format; version 1 is needed",
                u32::from_le_bytes(*bytes)
            ),
            Refusal::Malformed(why) => write!(formatter, "the module is not valid: {}", Shown(why)),
            Refusal::Feature(why) => write!(
                formatter,
                "the module uses a feature of WebAssembly that the engine does not have: {}",
                Shown(why)
            ),
            Refusal::UnknownImport(module, name, kind) => write!(
                formatter,
                "unknown import {}.{} ({kind}); only the functions of wasi_snapshot_preview1 are there",
                Shown(module),
                Shown(name)
            ),
            Refusal::WrongSignature { module, name, expected, found } => write!(
                formatter,
                "import {}.{name} has the wrong type: expected {}, found {}",
                Shown(module),
                Signature(expected),
                Signature(found)
            ),
            Refusal::NoEntry => {
                formatter.write_str("nothing to run: the module exports no function named _start")
            }
            Refusal::Reactor => formatter.write_str(
                "nothing to run: the module is a reactor (it exports _initialize and no _start); build a command",
            ),
            Refusal::WrongEntry(name) => {
                write!(formatter, "the export {name} is not a function without parameters and results")
            }
            Refusal::MemoryLimit(asked, permitted) => write!(
                formatter,
                "the module needs {asked} bytes of linear memory from the start; the limit is {permitted} bytes"
            ),
            Refusal::Memories => formatter.write_str("the module needs more linear memories than it may have"),
            Refusal::Tables => formatter
                .write_str("the module needs larger or more tables from the start than it may have"),
            Refusal::Launch(error) => write!(formatter, "wrong launch parameters: {error}"),
        }
    }
}

/// Text from outside: control characters escaped, cut to a length that fits a report.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.floor_char_boundary(SHOWN_BYTES_MAX);
        for character in self.0[..cut].chars() {
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                fmt::Write::write_char(formatter, character)?;
            }
        }
        if cut < self.0.len() { formatter.write_str("...") } else { Ok(()) }
    }
}

/// Looks at the first bytes.
///
/// # Errors
/// The refusal for anything that is not a core module of version 1.
pub fn inspect(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.starts_with(b"\x7fELF") {
        return Err(Refusal::Elf);
    }
    let Some(version) = bytes.strip_prefix(b"\0asm") else {
        let text = bytes.trim_ascii_start();
        let is_text =
            text.starts_with(b"(module") || text.starts_with(b"(component") || text.starts_with(b";;");
        return Err(if is_text { Refusal::Text } else { Refusal::NotWasm });
    };
    match version.first_chunk::<4>() {
        Some([1, 0, 0, 0]) => Ok(()),
        // The upper half of the word is the layer: 1 is a component, whatever its version.
        Some([_, _, 1, 0]) => Err(Refusal::Component),
        Some(other) => Err(Refusal::Version(*other)),
        None => Err(Refusal::Malformed(String::from("the header is cut short"))),
    }
}
