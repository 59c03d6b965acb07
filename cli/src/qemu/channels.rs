//! The wires between QEMU and this process: one connected pair of sockets for each character device.
//!
//! Made by `supervisor`; read by the threads of `output`, `control` and `log`.
//!
//! Invariant: only the end that belongs to QEMU is inherited, and this process closes its copy of it after the start, so a
//! channel ends exactly when QEMU does. Nothing has a name: two runs share no file, port or lock.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::failure::{Context, Failure};
use crate::qemu::machine::{Backend, Backends};

/// This process's ends.
#[derive(Debug)]
pub struct Channels {
    /// Output frames.
    pub output: UnixStream,
    /// The outcome frame.
    pub control: UnixStream,
    /// The debug console.
    pub log: UnixStream,
}

/// QEMU's ends, to be dropped after QEMU was started.
#[derive(Debug)]
pub struct GuestEnds {
    output: OwnedFd,
    control: OwnedFd,
    log: OwnedFd,
}

impl GuestEnds {
    /// Their numbers, the same in the child.
    #[must_use]
    pub fn backends(&self) -> Backends {
        let number = |end: &OwnedFd| Backend::Descriptor(end.as_raw_fd());
        Backends { output: number(&self.output), control: number(&self.control), log: number(&self.log) }
    }
}

/// Makes the three channels.
///
/// # Errors
/// The host has no descriptor or memory left.
pub fn open() -> Result<(Channels, GuestEnds), Failure> {
    let (output, guest_output) = pair()?;
    let (control, guest_control) = pair()?;
    let (log, guest_log) = pair()?;
    let guest = GuestEnds { output: guest_output, control: guest_control, log: guest_log };
    Ok((Channels { output, control, log }, guest))
}

fn pair() -> Result<(UnixStream, OwnedFd), Failure> {
    let what = "a channel to QEMU cannot be made";
    let (own, guest) = UnixStream::pair().or_host(what)?;
    let guest = OwnedFd::from(guest);
    fcntl_setfd(&guest, FdFlags::empty()).or_host(what)?;
    Ok((own, guest))
}
