//! Refusals: what is wrong with a manifest, where, and what would be accepted.
//!
//! Made by every check of this crate and by `capos-manifest`; printed by the host command, one line each.
//!
//! Invariant: a line has the form `file:line:column: path: what is wrong; accepted: ...`, with the parts that are known.

use std::fmt;

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as the user named it.
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: u32,
    /// In bytes, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => formatter.write_str(&self.file),
            (line, column) => write!(formatter, "{}:{line}:{column}", self.file),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it is written; none for a system that was not read from a file.
    pub position: Option<Position>,
    /// The path of the value, `processes[0].caps.timer`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be accepted; empty if nothing can be said.
    pub accepted: String,
}

impl Refusal {
    /// A refusal of no place in a file.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Refusal {
        Refusal { position: None, path: String::new(), message: message.into(), accepted: String::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(formatter, "{position}: ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)?;
        if !self.accepted.is_empty() {
            write!(formatter, "; accepted: {}", self.accepted)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Refusals {
        Refusals(vec![refusal])
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{refusal}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {}
