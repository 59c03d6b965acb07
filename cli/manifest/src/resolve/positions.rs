//! Paths of values, and the places where a file states them.
//!
//! Called by every check; calls nobody.
//!
//! Invariant: a path is written as `capos-manifest` writes it, and a value that the file does not state has the place of the
//! nearest one around it that it does.

use std::collections::HashMap;
use std::fmt;

use crate::refusal::Position;

/// The path of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct At(Vec<String>);

impl At {
    /// The document itself.
    pub(crate) fn root() -> At {
        At::default()
    }

    /// A field of this value.
    pub(crate) fn field(&self, name: &str) -> At {
        let is_plain = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let dot = if self.0.is_empty() { "" } else { "." };
        self.with(if is_plain { format!("{dot}{name}") } else { format!("{dot}{name:?}") })
    }

    /// An element of this list.
    pub(crate) fn index(&self, index: usize) -> At {
        self.with(format!("[{index}]"))
    }

    fn with(&self, segment: String) -> At {
        let mut segments = self.0.clone();
        segments.push(segment);
        At(segments)
    }
}

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| formatter.write_str(segment))
    }
}

/// Where a file states which value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    file: Option<String>,
    known: HashMap<String, Position>,
}

impl Positions {
    /// The places of a file.
    pub(crate) fn new(file: &str, known: HashMap<String, Position>) -> Positions {
        Positions { file: Some(file.to_owned()), known }
    }

    /// The place of a value, or of the nearest one around it; none for a document that was not read from a file.
    pub(crate) fn of(&self, at: &At) -> Option<Position> {
        let file = self.file.as_ref()?;
        let found = (0..=at.0.len()).rev().find_map(|length| self.known.get(&at.0[..length].concat()));
        Some(found.cloned().unwrap_or(Position { file: file.clone(), line: 0, column: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_place_counts() {
        let place = |line| Position { file: "x.cue".to_owned(), line, column: 1 };
        let known =
            [("".to_owned(), place(1)), ("a[0]".to_owned(), place(2)), ("a[0].b".to_owned(), place(3))];
        let positions = Positions::new("x.cue", known.into_iter().collect());
        let element = At::root().field("a").index(0);
        assert_eq!(positions.of(&element.field("b")), Some(place(3)));
        assert_eq!(positions.of(&element.field("c").field("d")), Some(place(2)));
        assert_eq!(positions.of(&At::root().field("z")), Some(place(1)));
        assert_eq!(Positions::default().of(&element), None);
        assert_eq!(At::root().field("env").field("A-B").to_string(), "env.\"A-B\"");
    }
}
