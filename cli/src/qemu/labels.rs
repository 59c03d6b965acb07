//! The names of processes before the lines that they write to a terminal: `name| line`.
//!
//! Called by `output` for a system of several processes; writes to its sinks.
//!
//! Invariant: a line on the terminal belongs to one stream. When another stream writes into an open line, that line is
//! ended first. The guest's own bytes are neither changed nor held back.

use capos_abi::host::StreamKind;

use crate::outcome::one_line;
use crate::qemu::output::{OutputError, Sinks};

/// Which stream the terminal's open line belongs to.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    open: Option<(u16, StreamKind)>,
}

impl Labels {
    /// Writes `bytes` of the stream with this number, with the name of its process at the start of each line.
    pub(crate) fn write(
        &mut self,
        sinks: &mut Sinks,
        kind: StreamKind,
        number: u16,
        process: &str,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some((other, its_kind)) = self.open
            && other != number
        {
            sinks.get(its_kind).write(b"\n")?;
            self.open = None;
        }
        let label = format!("{}| ", one_line(process));
        let mut text = Vec::with_capacity(bytes.len() + label.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.open.is_none() {
                text.extend_from_slice(label.as_bytes());
            }
            text.extend_from_slice(line);
            self.open = if line.ends_with(b"\n") { None } else { Some((number, kind)) };
        }
        sinks.get(kind).write(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::output::Sink;
    use std::io::{Read, Seek};

    #[test]
    fn each_line_has_its_name() {
        let mut file = tempfile::tempfile().unwrap();
        let mut sinks = Sinks {
            output: Sink::for_test(file.try_clone().unwrap(), true),
            error: Sink::for_test(file.try_clone().unwrap(), true),
        };
        let mut labels = Labels::default();
        let mut write = |number, kind, name, bytes: &[u8]| {
            labels.write(&mut sinks, kind, number, name, bytes).unwrap();
        };
        write(1, StreamKind::Output, "a", b"one\ntwo");
        write(1, StreamKind::Output, "a", b" and a half\n");
        write(2, StreamKind::Error, "b", b"open");
        write(1, StreamKind::Output, "a", b"three\n");
        write(2, StreamKind::Error, "b", b"again\n");
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a| one\na| two and a half\nb| open\na| three\nb| again\n");
    }
}
