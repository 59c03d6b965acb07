//! Where in a module something is, in words: functions by the name that the module gives them, else by their index.
//!
//! Called by [`crate::engine`] once a module was refused or has trapped; calls nobody. Reads the module's bytes and never
//! its parsed form, which keeps no names.
//!
//! Invariant: the bytes are a stranger's. What does not read as it should names nothing, names are escaped and cut, and
//! nothing here fails.

use alloc::format;
use alloc::string::String;

/// Letters of a name that are shown: several names fit in an exit report.
const NAME_LETTERS_MAX: usize = 80;

const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;
const CODE: u8 = 10;
/// The part of the section `name` with the names of functions.
const FUNCTION_NAMES: u8 = 1;

/// ` in function "f", called from "g", "_start"`, for functions by index, the innermost first; empty for none. One that
/// called itself is told once.
pub(crate) fn calls(module: &[u8], functions: &[u32]) -> String {
    let mut text = String::new();
    let mut before = None;
    for function in functions {
        if before != Some(function) {
            let link = match text.is_empty() {
                true => " in function ",
                false if text.contains(CALLED) => ", ",
                false => CALLED,
            };
            text.push_str(link);
            text.push_str(&function_text(module, *function));
        }
        before = Some(function);
    }
    text
}

const CALLED: &str = ", called from ";

/// `, in function "f"` for the function in whose body this byte of the module is; empty outside of all.
pub(crate) fn body(module: &[u8], offset: usize) -> String {
    let Some(place) = body_at(module, offset) else { return String::new() };
    let Some(imported) = imported_functions(module) else { return String::new() };
    format!(", in function {}", function_text(module, imported.saturating_add(place)))
}

/// The name in quotation marks, or the index.
fn function_text(module: &[u8], function: u32) -> String {
    match function_name(module, function) {
        Some(name) => {
            let shown: String = name.chars().take(NAME_LETTERS_MAX).flat_map(char::escape_debug).collect();
            let more = if name.chars().nth(NAME_LETTERS_MAX).is_some() { "..." } else { "" };
            format!("\"{shown}{more}\"")
        }
        None => format!("{function}"),
    }
}

/// What the section `name` calls a function.
fn function_name(module: &[u8], function: u32) -> Option<&str> {
    let mut section = sections(module).filter(|(id, _)| *id == CUSTOM).find_map(|(_, bytes)| {
        let mut section = Reader::new(bytes);
        (section.bytes()? == b"name").then_some(section)
    })?;
    loop {
        let (part, bytes) = (section.byte()?, section.bytes()?);
        if part == FUNCTION_NAMES {
            let mut names = Reader::new(bytes);
            for _ in 0..names.number()? {
                let (index, name) = (names.number()?, names.bytes()?);
                if index == u64::from(function) {
                    return str::from_utf8(name).ok().filter(|name| !name.is_empty());
                }
            }
            return None;
        }
    }
}

/// Which of the module's own functions has its body there.
fn body_at(module: &[u8], offset: usize) -> Option<u32> {
    let (_, code) = sections(module).find(|(id, _)| *id == CODE)?;
    // Offsets count from the module's first byte, of which the section is a part.
    let wanted = offset.checked_sub(code.as_ptr().addr() - module.as_ptr().addr())?;
    let mut bodies = Reader::new(code);
    for index in 0..u32::try_from(bodies.number()?).ok()? {
        bodies.bytes()?;
        if bodies.at > wanted {
            return Some(index);
        }
    }
    None
}

/// Functions that the module imports.
fn imported_functions(module: &[u8]) -> Option<u32> {
    let Some((_, bytes)) = sections(module).find(|(id, _)| *id == IMPORTS) else { return Some(0) };
    let mut imports = Reader::new(bytes);
    let mut functions = 0;
    for _ in 0..imports.number()? {
        imports.bytes()?;
        imports.bytes()?;
        match imports.byte()? {
            0 => {
                imports.number()?;
                functions += 1;
            }
            1 => {
                imports.byte()?;
                imports.limits()?;
            }
            2 => imports.limits()?,
            3 => {
                imports.byte()?;
                imports.byte()?;
            }
            _ => return None,
        }
    }
    Some(functions)
}

/// Id and contents of each section, as far as they are whole.
fn sections(module: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut reader = Reader::new(module.get(8..).unwrap_or_default());
    core::iter::from_fn(move || Some((reader.byte()?, reader.bytes()?)))
}

/// Bytes and how far they were read.
struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn new(bytes: &'m [u8]) -> Reader<'m> {
        Reader { bytes, at: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A number of up to 64 bits in LEB128.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A length, and as many bytes.
    fn bytes(&mut self) -> Option<&'m [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    /// The limits of a memory or table.
    fn limits(&mut self) -> Option<()> {
        let has_maximum = self.byte()? & 1 == 1;
        self.number()?;
        if has_maximum {
            self.number()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn functions_are_named_or_numbered() {
        let bytes = module("(module (import \"a\" \"b\" (func $i)) (func $f) (func) (func $g))");
        assert_eq!(calls(&bytes, &[1]), " in function \"f\"");
        assert_eq!(calls(&bytes, &[2]), " in function 2");
        assert_eq!(calls(&bytes, &[3, 3, 3, 1, 2, 0]), " in function \"g\", called from \"f\", 2, \"i\"");
        assert_eq!(calls(&bytes, &[]), "");
        assert_eq!(calls(&bytes, &[99]), " in function 99");
    }

    #[test]
    fn a_place_is_in_the_body_around_it() {
        let text = "(module (import \"a\" \"m\" (memory 1 2)) (import \"a\" \"t\" (table 1 funcref))
            (import \"a\" \"g\" (global (mut i64))) (import \"a\" \"b\" (func $i))
            (func $f nop nop nop) (func $g i32.const 77 drop))";
        let bytes = module(text);
        let nops = bytes.windows(3).position(|three| three == [1, 1, 1]).unwrap_or_default();
        let constant = bytes.windows(2).position(|two| two == [0x41, 0xcd]).unwrap_or_default();
        assert_eq!(body(&bytes, nops), ", in function \"f\"");
        assert_eq!(body(&bytes, nops + 3), ", in function \"f\"");
        assert_eq!(body(&bytes, constant), ", in function \"g\"");
        assert_eq!(body(&bytes, 9), "");
        assert_eq!(body(&bytes, bytes.len() + 9), "");
    }

    #[test]
    fn hostile_names_stay_one_line_and_short() {
        let bytes = module("(module (func $\"\\n\\1b[31m\\\"\\e2\\80\\ae\"))");
        assert_eq!(calls(&bytes, &[0]), " in function \"\\n\\u{1b}[31m\\\"\\u{202e}\"");
        let long = module(&format!("(module (func ${}))", "n".repeat(5000)));
        assert_eq!(calls(&long, &[0]), format!(" in function \"{}...\"", "n".repeat(80)));
    }

    #[test]
    fn what_is_cut_or_wrong_names_nothing_and_does_not_fail() {
        let bytes = module("(module (import \"a\" \"b\" (func $i)) (func $f nop) (func $g))");
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            assert_eq!(calls(cut, &[1]), " in function 1", "{length} bytes");
            for offset in 0..=length {
                let _ = body(cut, offset);
            }
            for value in [0, 0x7f, 0x80, 0xff] {
                let mut wrong = bytes.clone();
                wrong[length] = value;
                let _ = (calls(&wrong, &[0, 1, 2]), body(&wrong, length));
            }
        }
    }
}
