//! The words of the command line, as clap takes them.
//!
//! Called by `command`; calls clap.
//!
//! Invariant: FILE of `capos run` may be any path. clap wants the word in its place to be UTF-8, because it takes it for the
//! name of a subcommand; so a stand-in is parsed for one that is not, and the path is put back.

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use crate::options::{Options, Target, Verb};

/// What clap sees instead of a path. It would be read as the guest's file only.
const STAND_IN: &str = "FILE";

/// Reads the command line.
///
/// # Errors
/// Help, or what is wrong.
pub(crate) fn parse(words: &[OsString]) -> Result<Options, clap::Error> {
    let error = match Options::try_parse_from(words) {
        Err(error) if error.kind() == ErrorKind::InvalidUtf8 => error,
        other => return other,
    };
    let places = words.iter().enumerate().filter(|(_, word)| word.to_str().is_none());
    places.filter_map(|(place, _)| with_stand_in(words, place)).next().ok_or(error)
}

/// The options if the word at `place` is FILE.
fn with_stand_in(words: &[OsString], place: usize) -> Option<Options> {
    let mut changed = words.to_vec();
    changed[place] = STAND_IN.into();
    let mut options = Options::try_parse_from(&changed).ok()?;
    let Some(Verb::Run(run)) = &mut options.verb else { return None };
    let Some(Target::Words(guest)) = &mut run.target else { return None };
    // The guest's words are the last ones: FILE is as far from the end as there are of them.
    if place + guest.len() != words.len() {
        return None;
    }
    guest[0] = words[place].clone();
    Some(options)
}

/// The first word that is not UTF-8, for people.
pub(crate) fn foreign(words: &[OsString]) -> Option<String> {
    let word = words.iter().find(|word| word.to_str().is_none())?;
    Some(word.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn words(parts: &[&[u8]]) -> Vec<OsString> {
        parts.iter().map(|part| std::ffi::OsStr::from_bytes(part).to_owned()).collect()
    }

    fn file(parts: &[&[u8]]) -> Option<OsString> {
        let Ok(Options { verb: Some(Verb::Run(run)), .. }) = parse(&words(parts)) else { return None };
        let Some(Target::Words(guest)) = run.target else { return None };
        assert_eq!(guest[1..], words(&[b"a", b"\xff"]));
        Some(guest[0].clone())
    }

    #[test]
    fn a_file_has_any_name() {
        let name = words(&[b"\xe9.wasm"]).pop();
        assert_eq!(file(&[b"capos", b"run", b"\xe9.wasm", b"a", b"\xff"]), name);
        let line: [&[u8]; 8] =
            [b"capos", b"run", b"--argv0", b"\xfe", b"--verbose", b"\xe9.wasm", b"a", b"\xff"];
        assert_eq!(file(&line), name);
        assert_eq!(file(&[b"capos", b"run", b"x.wasm", b"a", b"\xff"]), words(&[b"x.wasm"]).pop());
    }

    #[test]
    fn other_words_are_refused_and_named() {
        let line = words(&[b"capos", b"run", b"--deny", b"\xff", b"x.wasm"]);
        assert!(parse(&line).is_err());
        assert_eq!(foreign(&line).as_deref(), Some("\u{fffd}"));
        assert_eq!(foreign(&words(&[b"capos"])), None);
    }
}
