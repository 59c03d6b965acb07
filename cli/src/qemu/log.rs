//! What the kernel and QEMU say about themselves: kept in memory, in full only up to a bound.
//!
//! Filled by two threads of `supervisor`; read at the end of a run, by the report of a failure.
//!
//! Invariant: a [`Log`] holds at most [`HEAD_BYTES`] + [`TAIL_BYTES`] however much is said; the middle is what is dropped.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::failure::{Context, Failure};
use crate::outcome::one_line;

/// Bytes kept of the beginning.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes kept of the end.
const TAIL_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

/// A bounded record of bytes, shared between the thread that fills it and the one that reads it.
#[derive(Debug, Default)]
pub struct Log {
    kept: Mutex<Kept>,
}

impl Log {
    /// Adds bytes.
    pub fn add(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let room = HEAD_BYTES - kept.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        kept.head.extend_from_slice(head);
        kept.tail.extend(rest);
        let excess = kept.tail.len().saturating_sub(TAIL_BYTES);
        kept.tail.drain(..excess);
        kept.dropped += excess as u64;
    }

    /// What is kept, with a line in place of what is not.
    #[must_use]
    pub fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut text = String::from_utf8_lossy(&kept.head).into_owned();
        if kept.dropped > 0 {
            text.push_str(&format!("\n... {} bytes are not kept ...\n", kept.dropped));
        }
        let tail: Vec<u8> = kept.tail.iter().copied().collect();
        text.push_str(&String::from_utf8_lossy(&tail));
        text
    }

    /// The last line that says something, with control characters escaped.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        self.text().lines().rev().map(str::trim).find(|line| !line.is_empty()).map(one_line)
    }

    /// The last line that contains `word`, with control characters escaped.
    #[must_use]
    pub fn last_line_with(&self, word: &str) -> Option<String> {
        self.text().lines().rev().map(str::trim).find(|line| line.contains(word)).map(one_line)
    }
}

/// Reads `source` to its end into `log`, calls `each` with every piece, and repeats it on standard error if `is_shown`.
pub fn follow(mut source: impl Read, log: &Log, is_shown: bool, mut each: impl FnMut(&[u8])) {
    let mut buffer = [0; 4096];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                log.add(&buffer[..count]);
                each(&buffer[..count]);
                if is_shown {
                    // A log that cannot be shown is no reason to end the run.
                    let _ = std::io::stderr().write_all(&buffer[..count]);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Writes a text into a file of its own in the folder for temporary files, for people to look at; returns its path.
///
/// # Errors
/// The folder cannot be written to.
pub fn keep(text: &str) -> Result<PathBuf, Failure> {
    keep_in(&std::env::temp_dir(), text)
}

fn keep_in(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    let what = || format!("the log cannot be kept in {}", folder.display());
    let mut file =
        tempfile::Builder::new().prefix("capos-").suffix(".log").tempfile_in(folder).or_host(what())?;
    file.write_all(text.as_bytes()).or_host(what())?;
    let (_, path) = file.keep().or_host(what())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_dropped() {
        let log = Log::default();
        log.add(b"first line\n");
        for _ in 0..HEAD_BYTES + 2 * TAIL_BYTES {
            log.add(b".");
        }
        log.add(b"\nlast line\n\n");
        let text = log.text();
        assert!(text.starts_with("first line\n"));
        assert!(text.contains("bytes are not kept"));
        assert!(text.len() < HEAD_BYTES + TAIL_BYTES + 100);
        assert_eq!(log.last_line().as_deref(), Some("last line"));
        assert_eq!(log.last_line_with("first").as_deref(), Some("first line"));
    }

    #[test]
    fn short_logs_are_whole() {
        let log = Log::default();
        follow(&b"a\nb\n"[..], &log, false, |_| {});
        assert_eq!(log.text(), "a\nb\n");
    }
}
