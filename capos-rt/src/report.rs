//! The report of a process's end: text of bounded length, written without an allocation.
//!
//! Used by the panic handler and by programs that end themselves with a reason.
//!
//! Invariant: at most [`REPORT_BYTES_MAX`] bytes, cut at a character boundary.

use core::fmt::{Arguments, Write};

use capos_abi::outcome::REPORT_BYTES_MAX;

/// Text for the `exit` system call.
pub struct Report {
    bytes: [u8; REPORT_BYTES_MAX],
    length: usize,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub const fn new() -> Report {
        Report { bytes: [0; REPORT_BYTES_MAX], length: 0 }
    }

    /// Appends text; what does not fit is cut.
    pub fn write(&mut self, text: Arguments<'_>) {
        // The writer below never fails.
        let _ = self.write_fmt(text);
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Default for Report {
    fn default() -> Report {
        Report::new()
    }
}

impl Write for Report {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.len() - self.length;
        let kept = text.floor_char_boundary(room.min(text.len()));
        self.bytes[self.length..self.length + kept].copy_from_slice(&text.as_bytes()[..kept]);
        // A cut report takes no more, so that no later piece follows a gap.
        self.length = if kept < text.len() { self.full(kept) } else { self.length + kept };
        Ok(())
    }
}

impl Report {
    /// Ends the report behind `kept` more bytes by closing the room that is left.
    fn full(&mut self, kept: usize) -> usize {
        let end = self.length + kept;
        self.bytes[end..].fill(b' ');
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reports_are_cut_at_a_character() {
        let mut report = Report::new();
        report.write(format_args!("{}\u{e4}{}", "x".repeat(REPORT_BYTES_MAX - 1), "more"));
        assert_eq!(report.as_str().len(), REPORT_BYTES_MAX);
        assert_eq!(report.as_str().trim_end(), "x".repeat(REPORT_BYTES_MAX - 1));
    }

    #[test]
    fn pieces_are_joined() {
        let mut report = Report::default();
        report.write(format_args!("{} of {}", 1, 2));
        assert_eq!(report.as_str(), "1 of 2");
    }
}
