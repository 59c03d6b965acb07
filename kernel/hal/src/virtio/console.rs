//! The multi-port console: ports by name, one send in flight per port.
//!
//! Invariant: frames that the device may still read are owned by the port until the device has given them back.

use crate::frames::SharedFrame;

/// A port of this console; only [`Console::port`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(u8);

/// A part of what is sent: `length` bytes of a frame, from `offset` on.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The frame; owned by the port until the send is done.
    pub frame: SharedFrame,
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub length: usize,
}

/// Bytes of a head at most.
pub const HEAD_BYTES_MAX: usize = 4096;
/// Pieces of a send at most: 64 KiB and its message around it, from any offset.
pub const PIECES_MAX: usize = 18;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The send before is not done: `poll` first.
    Busy,
    /// Head or pieces are too many, too long, empty or outside their frame.
    TooLarge,
}

/// The driver.
pub struct Console {}

impl Console {
    /// The port with this name.
    pub fn port(&self, name: &str) -> Option<Port> {
        crate::absent()
    }
    /// Sends `head`, which is copied, and the pieces behind it, which are not, as one message. Usually done when it returns: `poll` says.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn send(&mut self, port: Port, head: &[u8], pieces: &[Piece]) -> Result<(), SendError> {
        crate::absent()
    }
    /// True if the port's last send is done, and its frames released. The host may take arbitrarily long (a full pipe): park and poll again after a Timer event.
    pub fn poll(&mut self, port: Port) -> bool {
        crate::absent()
    }
}
