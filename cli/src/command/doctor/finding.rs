//! One thing that `capos doctor` looked at.
//!
//! Made by `doctor` and `emulator`; printed by `doctor`.
//!
//! Invariant: what is missing comes with what to do, in the text or as the packages of three families of distributions.

use std::fmt::{self, Display, Formatter};

use crate::qemu::program::Packages;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// Not there, and not needed.
    Absent,
    /// Not there, and needed.
    Missing,
}

/// What was found out about one thing.
#[derive(Debug)]
pub(super) struct Finding {
    name: &'static str,
    state: State,
    text: String,
    remedy: Option<&'static Packages>,
}

impl Finding {
    fn new(name: &'static str, state: State, text: impl Display) -> Finding {
        Finding { name, state, text: text.to_string(), remedy: None }
    }

    /// It is there.
    pub(super) fn good(name: &'static str, text: impl Display) -> Finding {
        Finding::new(name, State::Good, text)
    }

    /// It is not there; programs run without it.
    pub(super) fn absent(name: &'static str, text: impl Display) -> Finding {
        Finding::new(name, State::Absent, text)
    }

    /// It is not there, and something cannot be run without it.
    pub(super) fn missing(name: &'static str, text: impl Display) -> Finding {
        Finding::new(name, State::Missing, text)
    }

    /// The same, with what to install.
    pub(super) fn with_remedy(self, packages: &'static Packages) -> Finding {
        Finding { remedy: Some(packages), ..self }
    }

    /// True if something cannot be run for want of it.
    pub(super) fn is_missing(&self) -> bool {
        self.state == State::Missing
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mark = match self.state {
            State::Good => "ok",
            State::Absent => "no",
            State::Missing => "missing",
        };
        writeln!(formatter, "{mark:7}  {:12} {}", self.name, self.text)?;
        for line in self.remedy.iter().flat_map(|packages| packages.commands()) {
            writeln!(formatter, "{:22} {line}", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::program::QBOOT;

    #[test]
    fn what_is_missing_has_three_remedies() {
        let text = Finding::missing("q35", "no qboot.rom").with_remedy(&QBOOT).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "missing  q35          no qboot.rom");
        assert_eq!(lines.len(), 4);
        for (line, word) in
            lines[1..].iter().zip(["Debian: apt install ", "Fedora: dnf install ", "Arch: pacman -S "])
        {
            assert!(line.trim_start().starts_with(word), "{line}");
        }
    }
}
