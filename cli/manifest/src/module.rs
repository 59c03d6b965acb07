//! Modules in text form: telling them from anything else, and translating them.
//!
//! Called by `resolve` for every module of a system, and by the host command to tell what a file is; calls the `wat` crate.
//!
//! Invariant: a message about a text module is one line that starts with file, line and column.

/// What some editors put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// True if a file that begins like this is a module in text form: an opening bracket or a comment, whatever its name.
#[must_use]
pub fn is_text_module(head: &[u8]) -> bool {
    let text = without_mark(head).trim_ascii_start();
    text.starts_with(b"(") || text.starts_with(b";;")
}

/// The module of a text; a binary module as it is.
///
/// # Errors
/// `name:line:column: what is wrong`.
pub(crate) fn translate(name: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let parsed = wat::parse_bytes(without_mark(bytes));
    parsed.map(std::borrow::Cow::into_owned).map_err(|error| in_one_line(name, &error.to_string()))
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// The parser's message without the excerpt of the text, whose mark would point nowhere on one line.
fn in_one_line(name: &str, message: &str) -> String {
    // How the parser calls a text without a path, before the line and the column: below the message, or after it if the
    // text's line is long.
    let (what, place) = match message.split_once("\n     --> <anon>:") {
        Some((what, rest)) => (what, rest.lines().next()),
        None => match message.rsplit_once(" at <anon>:") {
            Some((what, place)) => (what, Some(place)),
            None => (message, None),
        },
    };
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    match place {
        Some(place) => format!("{name}:{place}: {what}"),
        None => format!("{name}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_known_by_its_beginning() {
        for text in
            ["(module)", " \n(module)", ";; a comment\n(module)", "(; one ;) (module)", "\u{feff}(module)"]
        {
            assert!(is_text_module(text.as_bytes()), "{text}");
        }
        for other in [&b"\0asm"[..], b"", b"hello (", b"#!/bin/sh", b"\xef\xbb\xbf"] {
            assert!(!is_text_module(other), "{other:?}");
        }
    }

    #[test]
    fn a_mark_before_the_text_is_no_part_of_it() {
        assert_eq!(translate("a", "\u{feff}(module)".as_bytes()).unwrap(), b"\0asm\x01\0\0\0");
        assert_eq!(translate("a", b"\0asm\x01\0\0\0").unwrap(), b"\0asm\x01\0\0\0");
    }

    #[test]
    fn mistakes_have_their_place() {
        let refusal = |text: &str| translate("a.wat", text.as_bytes()).unwrap_err();
        assert_eq!(
            refusal("(module\n  (func $f (unknown)))"),
            "a.wat:2:13: unknown operator or unexpected token"
        );
        let long = format!("(module {}(func (unknown)))", " ".repeat(600));
        assert_eq!(refusal(&long), "a.wat:1:616: unknown operator or unexpected token");
        assert_eq!(translate("a.wat", b"(\xff").unwrap_err(), "a.wat: input bytes aren't valid utf-8");
    }
}
