//! The descriptors of an instance.
//!
//! Made by [`crate::p1::Instance`] from the granted streams; used by [`crate::p1::fd`].
//!
//! Invariant: numbers 0 to 2 are the standard streams or nothing; they are never given to anything else.

use alloc::boxed::Box;

use crate::errno::Errno;
use crate::memory::Fd;
use crate::port::Stream;

/// Numbers that are kept for standard input, output and error.
const RESERVED: usize = 3;

/// The table of descriptors.
pub struct Descriptors {
    entries: [Option<Box<dyn Stream>>; RESERVED],
}

impl Descriptors {
    /// The standard streams that were granted.
    #[must_use]
    pub fn new(stdout: Option<Box<dyn Stream>>, stderr: Option<Box<dyn Stream>>) -> Descriptors {
        Descriptors { entries: [None, stdout, stderr] }
    }

    /// The stream behind a number.
    ///
    /// # Errors
    /// [`Errno::Badf`] for a number behind which there is none.
    pub fn stream(&mut self, fd: Fd) -> Result<&mut (dyn Stream + 'static), Errno> {
        self.entries.get_mut(fd.0 as usize).and_then(Option::as_deref_mut).ok_or(Errno::Badf)
    }

    /// Gives a number up; the capability behind it is released.
    ///
    /// # Errors
    /// [`Errno::Badf`].
    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        let entry = self.entries.get_mut(fd.0 as usize).ok_or(Errno::Badf)?;
        entry.take().map(drop).ok_or(Errno::Badf)
    }
}
