//! A command line as a shell reads it.
//!
//! Called by `command::run` for `--print-qemu` and by `supervisor` for the log of a failure.
//!
//! Invariant: a POSIX shell splits the text into exactly the words that it was made from, as far as they are UTF-8.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The program and its arguments, quoted.
#[must_use]
pub fn command_line(program: &Path, arguments: &[OsString]) -> String {
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    words.map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./=,:+@%".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_the_same_words() {
        let words = ["plain", "", "two words", "it's", "$HOME", "a\"b", "line\nfeed", "*", "-x=1,y:2"];
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        let line = command_line(Path::new("printf"), &[&[OsString::from("%s|")], &arguments[..]].concat());
        let output = Command::new("sh").arg("-c").arg(&line).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}|", words.join("|")), "{line}");
        assert!(line.starts_with("printf '%s|' plain '' 'two words' "), "{line}");
    }
}
