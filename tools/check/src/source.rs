//! Rust source text without a parser: what is code, what is comment, where functions begin and end.
//!
//! Called by the checks that count. A textual reading is enough for counting, and it works on code that does not compile.
//!
//! Invariant: blanking keeps every line's number, so a position in the blanked text is one in the file.

/// The text with comments and the contents of literals replaced by spaces; line breaks stay.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let length = skipped(bytes, at);
        if length == 0 {
            out.push(byte);
            at += 1;
        } else {
            let end = (at + length).min(bytes.len());
            let hidden = bytes.get(at..end).unwrap_or_default();
            out.extend(hidden.iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// The bytes of the comment or literal that begins here; 0 if none does.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let after_word = at > 0 && bytes.get(at - 1).is_some_and(|&byte| is_word(byte));
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest),
        [b'r', b'"' | b'#', ..] if !after_word => raw(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !after_word => raw(rest, 2),
        [b'\'', ..] => character(rest),
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(pair) = rest.get(at..at + 2) {
        match pair {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A raw string whose prefix letters take `prefix` bytes; 0 if it is a raw identifier.
fn raw(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest.iter().skip(prefix).take_while(|&&byte| byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = rest.get(open + 1..).unwrap_or_default();
    body.windows(end.len())
        .position(|window| window == end)
        .map_or(rest.len(), |found| open + 1 + found + end.len())
}

/// A character literal; 0 if the quote begins a lifetime or a label.
fn character(rest: &[u8]) -> usize {
    match rest {
        [b'\'', b'\\', ..] => {
            let end = rest.iter().skip(3).position(|&byte| byte == b'\'');
            end.map_or(0, |found| found + 4)
        }
        _ => {
            // One character of up to four bytes, then the closing quote.
            let end = (2..=5).find(|&at| rest.get(at) == Some(&b'\''));
            match end {
                Some(at) if at == 2 || rest.get(1).is_some_and(|&byte| byte >= 0x80) => at + 1,
                _ => 0,
            }
        }
    }
}

/// Whether a byte can be part of an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The places where a word stands alone in a blanked text.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + word.len());
        !before.is_some_and(|&byte| is_word(byte)) && !after.is_some_and(|&byte| is_word(byte))
    })
}

/// A function with a body: its name, its first line, and how many lines it takes.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions of a blanked text.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    words(code, "fn").filter_map(|at| function(code, at)).collect()
}

fn function(code: &str, at: usize) -> Option<Function> {
    let rest = code.get(at + 2..)?;
    let name: String = rest.trim_start().bytes().take_while(|&byte| is_word(byte)).map(char::from).collect();
    if name.is_empty() {
        return None;
    }
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (offset, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b';' if brackets == 0 && braces == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 {
                    let body = rest.get(..offset)?;
                    let line = line_of(code, at);
                    return Some(Function { name, line, lines: body.matches('\n').count() + 1 });
                }
            }
            _ => {}
        }
    }
    None
}

/// The number of the line that a position is on.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        let text = "a /* x /* y */\n */ b // c\n\"un\\\"safe\" 'u' '\\'' r#\"\"unsafe\"# fn<'a> d";
        let code = blank(text);
        assert_eq!(code.matches('\n').count(), 2);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "fn<'a>", "d"]);
    }

    #[test]
    fn a_raw_identifier_is_code() {
        assert_eq!(blank("r#type + b'x' + 'é'").trim(), "r#type + b    +");
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("unsafe unsafe_op x.unsafe", "unsafe").collect::<Vec<_>>(), [0, 19]);
    }

    #[test]
    fn a_function_is_measured_from_its_name_to_its_brace() {
        let found = functions("trait T {\n fn a();\n fn b(x: [u8; 2]) {\n  if x {\n  }\n }\n}\n");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].line, found[0].lines), ("b", 3, 4));
    }
}
