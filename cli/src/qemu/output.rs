//! What the guest writes: frames from the output port to standard output and standard error, in the order of the frames.
//!
//! One thread runs [`Pump::run`]; started by `supervisor`.
//!
//! Invariant: bytes come out exactly as they went in, one frame after the other; of a frame that a dead driver left unfinished none
//! do, except at the end of the run. Memory is one frame: while the reader
//! of standard output is slow this thread waits in `write`, the channel fills, and QEMU stops taking the guest's bytes.

use std::fs::File;
use std::io::{BufReader, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use capos_abi::host::{
    FRAME_BYTES_MAX, FRAME_END, FRAME_HEADER_BYTES, FrameHeader, FrameKind, GAP_BYTES, RESUME, StreamKind,
};

use crate::failure::{Context, Failure};
use crate::qemu::labels::Labels;

/// Bytes behind a frame that is cut within which a driver has to go on: the gaps of several that are cut themselves.
const RESUMPTION_BYTES_MAX: usize = 16 * GAP_BYTES;

const CHANNEL_BUFFER_BYTES: usize = 64 << 10;

/// Why output ends before the guest does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputError {
    /// The reader is gone.
    Closed,
    /// The system refuses the bytes; the stream and the reason.
    Refused(String),
    /// The frames make no sense; what is wrong.
    Malformed(String),
}

/// Where a stream comes out.
#[derive(Debug)]
pub(crate) struct Sink {
    file: File,
    name: &'static str,
    pub(crate) is_terminal: bool,
    /// True if the last byte written was not a line feed.
    pub(crate) is_line_open: bool,
}

impl Sink {
    fn new(stream: impl AsFd + IsTerminal, name: &'static str) -> Result<Sink, Failure> {
        let is_terminal = stream.is_terminal();
        let descriptor =
            stream.as_fd().try_clone_to_owned().or_host(format!("{name} cannot be duplicated"))?;
        Ok(Sink { file: File::from(descriptor), name, is_terminal, is_line_open: false })
    }

    #[cfg(test)]
    pub(crate) fn for_test(file: File, is_terminal: bool) -> Sink {
        Sink { file, name: "test", is_terminal, is_line_open: false }
    }

    /// Writes all bytes, waiting as long as it takes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => {
                    return Err(OutputError::Refused(format!("{}: nothing can be written", self.name)));
                }
                Ok(count) => rest = &rest[count..],
                Err(error) => self.retry(&error)?,
            }
        }
        if let Some(last) = bytes.last() {
            self.is_line_open = *last != b'\n';
        }
        Ok(())
    }

    /// Waits if the write can be repeated: an inherited descriptor may be non-blocking.
    fn retry(&self, error: &std::io::Error) -> Result<(), OutputError> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock => {
                let mut descriptors = [rustix::event::PollFd::new(&self.file, rustix::event::PollFlags::OUT)];
                match rustix::event::poll(&mut descriptors, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
                    Err(error) => Err(OutputError::Refused(format!("{}: {error}", self.name))),
                }
            }
            ErrorKind::BrokenPipe => Err(OutputError::Closed),
            _ => Err(OutputError::Refused(format!("{} cannot be written: {error}", self.name))),
        }
    }
}

/// Standard output and standard error of this process.
#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) output: Sink,
    pub(crate) error: Sink,
}

impl Sinks {
    pub(crate) fn get(&mut self, kind: StreamKind) -> &mut Sink {
        match kind {
            StreamKind::Output => &mut self.output,
            StreamKind::Error => &mut self.error,
        }
    }
}

/// What the supervisor can see of the pump while it runs.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// True while a write to the host is under way.
    pub is_writing: Arc<AtomicBool>,
    /// True if standard error stands in the middle of a line.
    pub is_error_line_open: Arc<AtomicBool>,
    /// How many writes to the host are done.
    pub writes: Arc<AtomicU64>,
}

impl Progress {
    /// The number of the write that is under way; none if there is none. The same number twice is a reader that takes nothing.
    #[must_use]
    pub fn current_write(&self) -> Option<u64> {
        let writes = self.writes.load(Ordering::Relaxed);
        self.is_writing.load(Ordering::Relaxed).then_some(writes)
    }
}

/// A declared stream.
#[derive(Clone, Debug)]
struct Stream {
    number: u16,
    kind: StreamKind,
    process: String,
}

/// The way from the output port to the host's streams.
#[derive(Debug)]
pub struct Pump {
    sinks: Sinks,
    streams: Vec<Stream>,
    labels: Option<Labels>,
    progress: Progress,
}

impl Pump {
    /// A pump to this process's standard output and standard error. With `has_labels` each line on a terminal carries the
    /// name of its process.
    ///
    /// # Errors
    /// The streams cannot be duplicated.
    pub fn new(has_labels: bool, progress: Progress) -> Result<Pump, Failure> {
        let sinks = Sinks {
            output: Sink::new(std::io::stdout(), "standard output")?,
            error: Sink::new(std::io::stderr(), "standard error")?,
        };
        Ok(Pump { sinks, streams: Vec::new(), labels: has_labels.then(Labels::default), progress })
    }

    /// Moves frames until the channel ends.
    ///
    /// # Errors
    /// The first write that fails, or a frame that makes no sense.
    pub fn run(mut self, source: impl Read) -> Result<(), OutputError> {
        let mut source = BufReader::with_capacity(CHANNEL_BUFFER_BYTES, source);
        let mut payload = vec![0; FRAME_BYTES_MAX];
        loop {
            let mut header = [0; FRAME_HEADER_BYTES];
            if fill(&mut source, &mut header) < FRAME_HEADER_BYTES {
                return Ok(());
            }
            let header = FrameHeader::decode(&header)
                .ok_or_else(|| OutputError::Malformed(format!("frame header {header:02x?}")))?;
            let length = header.length as usize;
            let count = fill(&mut source, &mut payload[..length]);
            let mut end = [0; FRAME_END.len()];
            let end_count = fill(&mut source, &mut end);
            if end_count < end.len() || end == FRAME_END {
                self.frame(header, &payload[..count])?;
            } else if !is_cut(end) {
                return Err(OutputError::Malformed(format!("frame end {end:02x?}")));
            } else if !find_resumption(&mut source)? {
                return Ok(());
            }
            if end_count < end.len() {
                return Ok(());
            }
        }
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), OutputError> {
        match header.kind {
            FrameKind::Declare => self.declare(header.stream, payload),
            FrameKind::Data => self.data(header.stream, payload),
            FrameKind::Outcome => {
                Err(OutputError::Malformed("an outcome came through the output port".to_owned()))
            }
        }
    }

    fn declare(&mut self, number: u16, payload: &[u8]) -> Result<(), OutputError> {
        let kind = match payload.first() {
            Some(1) => StreamKind::Output,
            Some(2) => StreamKind::Error,
            other => {
                return Err(OutputError::Malformed(format!("stream {number} is declared as {other:?}")));
            }
        };
        let process = String::from_utf8_lossy(&payload[1..]).into_owned();
        self.streams.retain(|stream| stream.number != number);
        self.streams.push(Stream { number, kind, process });
        Ok(())
    }

    fn data(&mut self, number: u16, payload: &[u8]) -> Result<(), OutputError> {
        let stream = self
            .streams
            .iter()
            .find(|stream| stream.number == number)
            .ok_or_else(|| OutputError::Malformed(format!("stream {number} was never declared")))?;
        self.progress.is_writing.store(true, Ordering::Relaxed);
        let result = match &mut self.labels {
            Some(labels) if self.sinks.get(stream.kind).is_terminal => {
                labels.write(&mut self.sinks, stream.kind, stream.number, &stream.process, payload)
            }
            _ => self.sinks.get(stream.kind).write(payload),
        };
        self.progress.is_writing.store(false, Ordering::Relaxed);
        self.progress.writes.fetch_add(1, Ordering::Relaxed);
        self.progress.is_error_line_open.store(self.is_error_line_open(), Ordering::Relaxed);
        result
    }

    fn is_error_line_open(&self) -> bool {
        let error = &self.sinks.error;
        error.is_line_open
            || (error.is_terminal && self.sinks.output.is_terminal && self.sinks.output.is_line_open)
    }
}

/// True for the end of a frame that is cut, or none, with the zeros behind it that the next driver begins with.
fn is_cut(end: [u8; FRAME_END.len()]) -> bool {
    let count = end.iter().zip(FRAME_END).take_while(|(byte, expected)| *byte == expected).count();
    end[count..].iter().all(|byte| *byte == 0)
}

/// Reads up to where the next driver begins. What is left out is its own: a gap is longer than any frame. False if the
/// channel ends before.
fn find_resumption(source: &mut impl Read) -> Result<bool, OutputError> {
    let mut last = [0; RESUME.len()];
    for _ in 0..RESUMPTION_BYTES_MAX {
        last.rotate_left(1);
        if fill(source, &mut last[RESUME.len() - 1..]) == 0 {
            return Ok(false);
        }
        if last == RESUME {
            return Ok(true);
        }
    }
    Err(OutputError::Malformed("a frame is cut, and no driver goes on".to_owned()))
}

/// Reads until the buffer is full or the source ends; returns the bytes read.
pub(crate) fn fill(source: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    fn frame(stream: u16, kind: FrameKind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = FrameHeader { stream, kind, length: payload.len() as u32 }.encode().to_vec();
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&FRAME_END);
        bytes
    }

    fn pump(bytes: &[u8]) -> (Result<(), OutputError>, String, String) {
        let (mut output, mut error) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let sinks = Sinks {
            output: Sink::for_test(output.try_clone().unwrap(), false),
            error: Sink::for_test(error.try_clone().unwrap(), false),
        };
        let pump = Pump { sinks, streams: Vec::new(), labels: None, progress: Progress::default() };
        let result = pump.run(bytes);
        let mut texts = (String::new(), String::new());
        output.rewind().unwrap();
        error.rewind().unwrap();
        output.read_to_string(&mut texts.0).unwrap();
        error.read_to_string(&mut texts.1).unwrap();
        (result, texts.0, texts.1)
    }

    #[test]
    fn streams_are_told_apart() {
        let bytes = [
            frame(1, FrameKind::Declare, b"\x01app"),
            frame(2, FrameKind::Declare, b"\x02app"),
            frame(1, FrameKind::Data, b"one "),
            frame(2, FrameKind::Data, b"error"),
            frame(1, FrameKind::Data, b"two"),
        ]
        .concat();
        assert_eq!(pump(&bytes), (Ok(()), "one two".into(), "error".into()));
    }

    #[test]
    fn a_frame_that_ends_early_is_written_as_far_as_it_goes() {
        let mut bytes = frame(1, FrameKind::Declare, b"\x01app");
        bytes.extend(&frame(1, FrameKind::Data, b"whole")[..10]);
        assert_eq!(pump(&bytes), (Ok(()), "wh".into(), String::new()));
    }

    /// Wherever a driver was cut off, the next one's frames are read, and what it had finished.
    #[test]
    fn a_frame_that_was_cut_is_left_out() {
        let first = [frame(1, FrameKind::Declare, b"\x01app"), frame(1, FrameKind::Data, b"one ")].concat();
        let lost = frame(1, FrameKind::Data, &[0xff; 300]);
        let gap = [&vec![0; GAP_BYTES][..], &RESUME].concat();
        let next = [frame(1, FrameKind::Declare, b"\x01app"), frame(1, FrameKind::Data, b"two")].concat();
        for cut in 0..lost.len() {
            let bytes = [&first[..], &lost[..cut], &gap, &next].concat();
            assert_eq!(pump(&bytes), (Ok(()), "one two".into(), String::new()), "{cut}");
        }
        let twice = [&first[..], &lost[..20], &gap[..70_000], &gap, &next].concat();
        assert_eq!(pump(&twice), (Ok(()), "one two".into(), String::new()));
        let never = [&first[..], &lost[..20], &gap[..gap.len() - 1]].concat();
        assert_eq!(pump(&never), (Ok(()), "one ".into(), String::new()));
    }

    #[test]
    fn a_frame_without_its_end_is_refused() {
        let mut bytes =
            [frame(1, FrameKind::Declare, b"\x01app"), frame(1, FrameKind::Data, b"one")].concat();
        *bytes.last_mut().unwrap() = b'x';
        assert!(matches!(pump(&bytes), (Err(OutputError::Malformed(_)), output, _) if output.is_empty()));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(pump(&[0xff; 8]).0, Err(OutputError::Malformed(_))));
        assert!(matches!(pump(&frame(3, FrameKind::Data, b"x")).0, Err(OutputError::Malformed(_))));
        assert!(matches!(pump(&frame(3, FrameKind::Declare, b"\x07x")).0, Err(OutputError::Malformed(_))));
        assert!(matches!(pump(&frame(3, FrameKind::Outcome, b"x")).0, Err(OutputError::Malformed(_))));
    }
}
