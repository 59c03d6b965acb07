//! What the kernel and QEMU say about themselves: kept in memory, in full only up to a bound.
//!
//! Filled by two threads of `supervisor`; read at the end of a run, by the report of a failure.
//!
//! Invariant: a [`Log`] holds at most [`HEAD_BYTES`] + [`TAIL_BYTES`] however much is said; the middle is what is dropped.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::failure::{Context, Failure};
use crate::folders;
use crate::outcome::one_line;

/// Bytes kept of the beginning.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes kept of the end.
const TAIL_BYTES: usize = 256 << 10;
/// Logs of failures that are kept at most: what a run of failing tests leaves, in some tens of MiB.
const KEPT_MAX: usize = 64;
/// Characters of a line that are quoted at most; the log has all of them.
const LINE_CHARACTERS_MAX: usize = 400;
const PREFIX: &str = "capos-";
const SUFFIX: &str = ".log";

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

    /// The last line that says something, with control characters escaped, as far as it fits into a message.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        self.text().lines().rev().map(str::trim).find(|line| !line.is_empty()).map(shortened)
    }

    /// The last line that contains `word`, with control characters escaped, as far as it fits into a message.
    #[must_use]
    pub fn last_line_with(&self, word: &str) -> Option<String> {
        self.text().lines().rev().map(str::trim).find(|line| line.contains(word)).map(shortened)
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARACTERS_MAX) {
        Some((at, _)) => format!("{} ...", one_line(&line[..at])),
        None => one_line(line),
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

/// Writes a text into a file of its own, for people to look at; returns its path. It goes into `logs` of the folder for
/// state, of which the newest [`KEPT_MAX`] stay; without such a folder, into the one for temporary files.
///
/// # Errors
/// Neither folder can be written to.
pub fn keep(text: &str) -> Result<PathBuf, Failure> {
    let own = folders::state().map(|folder| folder.join("logs"));
    if let Some(folder) = own.filter(|folder| fs::create_dir_all(folder).is_ok())
        && let Ok(path) = keep_in(&folder, text)
    {
        drop_old(&folder, &path);
        return Ok(path);
    }
    keep_in(&std::env::temp_dir(), text)
}

fn keep_in(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    let what = || format!("the log cannot be kept in {}", folder.display());
    let mut file =
        tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder).or_host(what())?;
    file.write_all(text.as_bytes()).or_host(what())?;
    let (_, path) = file.keep().or_host(what())?;
    Ok(path)
}

/// Removes the oldest logs of a folder as far as there are too many, but never `own`. Another run may do the same meanwhile.
fn drop_old(folder: &Path, own: &Path) {
    let is_log = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut logs: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_log) && entry.path() != own)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort_unstable();
    let excess = (logs.len() + 1).saturating_sub(KEPT_MAX);
    for (_, path) in &logs[..excess.min(logs.len())] {
        // What cannot be removed stays; that is no reason to fail.
        let _ = fs::remove_file(path);
    }
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
    fn the_newest_logs_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("other.txt"), "").unwrap();
        let second = std::time::Duration::from_secs(1);
        for index in 0..KEPT_MAX as u32 + 3 {
            let file = fs::File::create(folder.path().join(format!("capos-{index}.log"))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + second * index).unwrap();
        }
        let own = folder.path().join("capos-0.log");
        drop_old(folder.path(), &own);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT_MAX + 1, "and what is no log");
        let is_there = |name: &str| folder.path().join(name).exists();
        assert!(own.exists() && is_there("capos-4.log") && !is_there("capos-3.log"));
    }

    #[test]
    fn short_logs_are_whole() {
        let log = Log::default();
        follow(&b"a\nb\n"[..], &log, false, |_| {});
        assert_eq!(log.text(), "a\nb\n");
        log.add(&[b'x'; 1000]);
        assert_eq!(log.last_line(), Some(format!("{} ...", "x".repeat(LINE_CHARACTERS_MAX))));
    }
}
