//! What takes long says so, to people: one line on a terminal once it has taken 2 s.
//!
//! Called by `command`, `accelerator` and `qemu` around what may take long on the host.
//!
//! Invariant: nothing is said where standard error is no terminal, or after the work is done; and no work waits for a
//! terminal that takes nothing (Ctrl-S).

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);

/// Work under way; it is done when this is dropped.
#[derive(Debug)]
pub struct Progress {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Says `capos: WORK ...` if it is not done after 2 s.
    #[must_use]
    pub fn of(work: &'static str) -> Progress {
        match std::io::stderr().is_terminal() {
            true => Progress::start(work, LIMIT, std::io::stderr()),
            false => Progress { done: None, thread: None },
        }
    }

    fn start(
        work: &'static str,
        limit: Duration,
        mut target: impl Write + AsFd + Send + 'static,
    ) -> Progress {
        let (done, end) = channel();
        let say = move || {
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) && is_writable(&target) {
                // A terminal that takes no line is no reason to stop.
                let _ = writeln!(target, "capos: {work} ...");
            }
        };
        Progress { done: Some(done), thread: thread::Builder::new().spawn(say).ok() }
    }
}

/// True if a line can be written now.
fn is_writable(target: &impl AsFd) -> bool {
    let mut descriptors = [rustix::event::PollFd::new(target, rustix::event::PollFlags::OUT)];
    matches!(rustix::event::poll(&mut descriptors, Some(&rustix::event::Timespec::default())), Ok(1..))
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn said(limit: Duration, waits_for_line: bool) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let progress = Progress::start("looking", limit, writer);
        let mut text = String::new();
        if waits_for_line {
            reader.read_to_string(&mut text).unwrap();
        }
        drop(progress);
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_reader_that_takes_nothing_holds_nothing_up() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
        rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        while writer.write(&[b'x'; 4096]).is_ok() {}
        rustix::fs::fcntl_setfl(&writer, flags).unwrap();
        drop(Progress::start("looking", Duration::ZERO, writer));
    }

    #[test]
    fn only_what_takes_long_is_told() {
        assert_eq!(said(Duration::ZERO, true), "capos: looking ...\n");
        assert_eq!(said(Duration::from_secs(3600), false), "");
    }
}
