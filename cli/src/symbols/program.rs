//! The unstripped file of a program, found by build id, and what its addresses mean.
//!
//! Called by `symbols`; calls `object` for the file and `addr2line` for its line tables.
//!
//! Invariant: files are hostile input: whatever is wrong with one, it explains nothing.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::PathBuf;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// Bytes of an unstripped file at most: more is none of ours.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A program with its symbols.
#[derive(Debug)]
pub struct Program {
    file: Vec<u8>,
}

/// What an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function's name, demangled.
    pub function: String,
    /// The source file and the line, where they are known.
    pub line: Option<(String, u32)>,
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some((file, line)) => write!(formatter, "{} ({file}:{line})", self.function),
            None => formatter.write_str(&self.function),
        }
    }
}

impl Program {
    /// The file in one of these folders whose build id is that of the stripped program, or why there is none and where it
    /// would be. None for a program without a build id, which is none of ours.
    #[must_use]
    pub fn find(stripped: &[u8], folders: &[PathBuf]) -> Option<Result<Program, String>> {
        let id = build_id(stripped)?;
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let file = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == "debug"))
            .filter(|path| path.metadata().is_ok_and(|it| it.len() <= FILE_BYTES_MAX))
            .filter_map(|path| fs::read(path).ok())
            .find(|file| build_id(file).as_ref() == Some(&id));
        Some(file.map(|file| Program { file }).ok_or_else(|| absence(&id, folders)))
    }

    /// The function at this address and those that it was inlined into, the innermost first. Empty if it is unknown.
    #[must_use]
    pub fn places(&self, address: u64) -> Vec<Place> {
        if address == u64::MAX {
            // Of a return address 0, where a stack ends. addr2line adds one to it.
            return Vec::new();
        }
        let Ok(file) = object::File::parse(&*self.file) else { return Vec::new() };
        let mut places = by_line_table(&file, address).unwrap_or_default();
        match (places.last_mut(), by_symbol(&file, address)) {
            // Our line tables have bare names (`main`), to stay small. The symbol has the path, of what was not inlined.
            (Some(outermost), Some(symbol)) if symbol.function.contains(&outermost.function) => {
                outermost.function = symbol.function;
            }
            (None, symbol) => places.extend(symbol),
            _ => {}
        }
        places.retain(|place| !place.function.is_empty());
        places
    }
}

fn absence(id: &[u8], folders: &[PathBuf]) -> String {
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    format!("no file *.debug in {} has its build id {id}", folders.join(" or "))
}

fn build_id(file: &[u8]) -> Option<Vec<u8>> {
    Some(object::File::parse(file).ok()?.build_id().ok()??.to_vec())
}

type Reader<'a> = EndianSlice<'a, LittleEndian>;

fn by_line_table(file: &object::File<'_>, address: u64) -> Option<Vec<Place>> {
    let section = |id: SectionId| -> Result<Reader<'_>, addr2line::gimli::Error> {
        let bytes = file.section_by_name(id.name()).and_then(|it| it.data().ok()).unwrap_or(&[]);
        Ok(EndianSlice::new(bytes, LittleEndian))
    };
    let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
    let mut frames = context.find_frames(address).skip_all_loads().ok()?;
    let mut places = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        // Line tables alone name only those functions into which others were inlined.
        let name = frame.function.as_ref().and_then(|it| it.demangle().ok()).unwrap_or_default();
        let line = frame.location.and_then(|it| Some((short(it.file?).to_owned(), it.line?)));
        places.push(Place { function: without_hash(&name).to_owned(), line });
    }
    Some(places)
}

/// Functions written in assembly have no lines; their symbols have no sizes.
fn by_symbol(file: &object::File<'_>, address: u64) -> Option<Place> {
    let is_code =
        file.sections().filter(|section| section.kind() == object::SectionKind::Text).any(|section| {
            (section.address()..section.address().saturating_add(section.size())).contains(&address)
        });
    let symbols = file.symbols().filter(|it| matches!(it.kind(), SymbolKind::Text | SymbolKind::Unknown));
    let symbol = symbols.filter(|it| is_code && it.address() <= address).max_by_key(|it| it.address())?;
    let name = symbol.name().ok().filter(|name| !name.is_empty())?;
    let name = addr2line::demangle_auto(name.into(), None);
    Some(Place { function: without_hash(&name).to_owned(), line: None })
}

/// The compiler calls the folder of the sources `.`.
fn short(file: &str) -> &str {
    file.strip_prefix("./").unwrap_or(file)
}

/// A name without the hash that tells two compilations apart.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The address of the first function whose symbol contains this name.
    pub(crate) fn address_of(file: &[u8], name: &str) -> u64 {
        let file = object::File::parse(file).unwrap();
        let is_it = |symbol: &object::Symbol<'_, '_>| {
            symbol.kind() == SymbolKind::Text && symbol.name().is_ok_and(|it| it.contains(name))
        };
        file.symbols().filter(is_it).map(|it| it.address()).find(|it| *it != 0).unwrap()
    }

    /// Flips a bit of the file's build id.
    pub(crate) fn change_build_id(file: &mut [u8]) {
        let id = build_id(file).unwrap();
        let at = file.windows(id.len()).position(|it| it == id).unwrap();
        file[at] ^= 1;
    }

    #[test]
    fn a_hash_is_no_part_of_a_name() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hello"), "a::hello");
    }

    #[test]
    fn a_name_has_its_path_where_the_line_table_lacks_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("outer.rs"), folder.path().join("outer"));
        let text = "mod inner {\n    #[inline(never)]\n    pub fn place() { println!(\"here\") }\n}\nfn main() { inner::place() }\n";
        fs::write(&source, text).unwrap();
        let mut compiler = std::process::Command::new("rustc");
        compiler.args(["-Cdebuginfo=line-tables-only", "-o"]).arg(&program).arg(&source);
        assert!(compiler.status().unwrap().success());
        let file = fs::read(program).unwrap();
        let address = address_of(&file, "5inner5place");
        let places = Program { file }.places(address);
        let outermost = places.last().unwrap();
        assert_eq!(outermost.function, "outer::inner::place");
        assert_eq!(outermost.line.as_ref().unwrap().1, 3);
    }

    #[test]
    fn the_last_address_means_nothing() {
        let own = Program { file: fs::read(std::env::current_exe().unwrap()).unwrap() };
        assert_eq!(own.places(u64::MAX), []);
        assert_eq!(own.places(u64::MAX - 1), []);
    }

    #[test]
    fn a_broken_file_explains_nothing() {
        let mut own = fs::read(std::env::current_exe().unwrap()).unwrap();
        own.truncate(own.len() / 2);
        assert_eq!(Program { file: own }.places(0x1000), []);
        assert_eq!(Program { file: b"\x7fELF".to_vec() }.places(0), []);
        assert!(Program::find(b"\x7fELF\x02\x01", &[]).is_none());
    }
}
