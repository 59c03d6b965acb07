//! Programs as ELF files: entry, functions by name, code by address.
//!
//! Called by `stages` and `profile` with the unstripped programs of the build.
//!
//! Invariant: a file that is cut or no ELF file has no functions; nothing here panics over one.

use std::fs;
use std::path::Path;

/// Bytes of code that identify a place.
const CODE_BYTES: usize = 16;
const SYMBOL_TABLE: u64 = 2;
const FUNCTION: u8 = 2;

/// A program.
pub(crate) struct Program {
    bytes: Vec<u8>,
    /// Where it starts.
    pub(crate) entry: u64,
    /// Functions by address, with their mangled names.
    pub(crate) functions: Vec<(u64, String)>,
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

impl Program {
    /// Reads a program.
    ///
    /// # Errors
    /// It cannot be read, or is no ELF file with a symbol table.
    pub(crate) fn read(path: impl AsRef<Path>) -> Result<Program, String> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let entry = number(&bytes, 24, 8);
        let (Some(entry), Some(functions)) = (entry, functions(&bytes)) else {
            return Err(format!("{}: not an ELF file with symbols", path.display()));
        };
        Ok(Program { bytes, entry, functions })
    }

    /// The first function whose mangled name has `part` in it.
    pub(crate) fn function(&self, part: &str) -> Option<u64> {
        self.functions.iter().find(|(_, name)| name.contains(part)).map(|(address, _)| *address)
    }

    /// The code at an address.
    pub(crate) fn code(&self, address: u64) -> Vec<u8> {
        self.offset(address).and_then(|at| self.bytes.get(at..at + CODE_BYTES)).unwrap_or(&[]).to_vec()
    }

    /// Whether this code stands at an address.
    pub(crate) fn has_code(&self, address: u64, code: &[u8]) -> bool {
        let there = self.offset(address).and_then(|at| self.bytes.get(at..at.checked_add(code.len())?));
        there == Some(code)
    }

    /// The mangled name of the function that an address is in or behind.
    pub(crate) fn function_at(&self, address: u64) -> Option<&str> {
        let behind = self.functions.partition_point(|(start, _)| *start <= address);
        self.functions.get(behind.checked_sub(1)?).map(|(_, name)| name.as_str())
    }

    /// The first byte in the file for an address: by the program headers.
    fn offset(&self, address: u64) -> Option<usize> {
        let table = number(&self.bytes, 32, 8)? as usize;
        let count = number(&self.bytes, 56, 2)? as usize;
        (0..count).find_map(|index| {
            let at = table + index * 56;
            let field = |offset| number(&self.bytes, at + offset, 8);
            let (offset, start, size) = (field(8)?, field(16)?, field(32)?);
            let is_loaded = number(&self.bytes, at, 4)? == 1;
            let inside = address.checked_sub(start).filter(|inside| is_loaded && *inside < size)?;
            Some((offset + inside) as usize)
        })
    }

    /// Bytes of the segments that are loaded executable.
    pub(crate) fn text_bytes(&self) -> u64 {
        let header = |at, size| number(&self.bytes, at, size).unwrap_or(0);
        let (table, count) = (header(32, 8) as usize, header(56, 2) as usize);
        (0..count)
            .map(|index| table + index * 56)
            .filter(|at| header(*at, 4) == 1 && header(at + 4, 4) & 1 != 0)
            .map(|at| header(at + 32, 8))
            .sum()
    }
}

fn functions(bytes: &[u8]) -> Option<Vec<(u64, String)>> {
    let table = number(bytes, 40, 8)? as usize;
    let count = number(bytes, 60, 2)? as usize;
    let section = |index: usize, field: usize, size: usize| number(bytes, table + index * 64 + field, size);
    let symbols = (0..count).find(|index| section(*index, 4, 4) == Some(SYMBOL_TABLE))?;
    let names = section(section(symbols, 40, 4)? as usize, 24, 8)? as usize;
    let (start, size) = (section(symbols, 24, 8)? as usize, section(symbols, 32, 8)? as usize);
    let mut found = Vec::new();
    for at in (start..start + size).step_by(24) {
        if number(bytes, at + 4, 1)? as u8 & 0xf != FUNCTION {
            continue;
        }
        let name = bytes.get(names + number(bytes, at, 4)? as usize..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        found.push((number(bytes, at + 8, 8)?, String::from_utf8_lossy(name.get(..end)?).into_owned()));
    }
    found.sort();
    Some(found)
}
