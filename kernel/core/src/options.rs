//! Kernel options: the text part `options` of the boot image.
//!
//! Lines `key=value`, empty lines and lines that start with `#`. Called by the kernel's start-up.
//!
//! Invariant: an unknown key or a bad value is a refusal that names the line; nothing is guessed.

/// What can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `fail-allocation=N`: refuse the Nth allocation on behalf of ring 3, counted from 1 after start-up.
    pub fail_allocation: Option<u64>,
}

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption<'a> {
    /// Its number, from 1.
    pub line: usize,
    /// Its text.
    pub text: &'a str,
}

impl core::fmt::Display for BadOption<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            formatter,
            "kernel options: line {}: \"{}\" is not one of: fail-allocation=N (N from 1)",
            self.line, self.text
        )
    }
}

impl Options {
    /// Reads the text.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn parse(text: &str) -> Result<Options, BadOption<'_>> {
        let mut options = Options::default();
        for (index, line) in text.lines().enumerate() {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let bad = BadOption { line: index + 1, text };
            match text.split_once('=') {
                Some(("fail-allocation", value)) => {
                    let count = value.parse().ok().filter(|count| *count > 0);
                    options.fail_allocation = Some(count.ok_or(bad)?);
                }
                _ => return Err(bad),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        assert_eq!(Options::parse("\n# none\n"), Ok(Options::default()));
        assert_eq!(Options::parse("fail-allocation=12").unwrap().fail_allocation, Some(12));
    }

    #[test]
    fn bad_lines_are_named() {
        for text in ["fail-allocation=0", "fail-allocation=x", "fail-allocation", "speed=9"] {
            assert_eq!(Options::parse(text), Err(BadOption { line: 1, text }));
        }
        let refusal = Options::parse("\n\nspeed=9").unwrap_err();
        assert_eq!(
            std::format!("{refusal}"),
            "kernel options: line 3: \"speed=9\" is not one of: fail-allocation=N (N from 1)"
        );
    }
}
