//! What crosses the virtio console between a run and the host command.
//!
//! Two ports, by name: everything that processes write goes, framed, through [`OUTPUT_PORT`], so the order between two
//! streams is the order in which they were written; the outcome goes through [`CONTROL_PORT`]. The console's driver writes
//! frames, the host command reads them. Standard input has a port of its own, [`INPUT_PORT`].
//!
//! A driver that dies leaves a frame that may be cut anywhere. The next one begins with [`GAP_BYTES`] zeros, more than any
//! frame lacks, and [`RESUME`]: what was cut has no [`FRAME_END`], counts as not written, and is left out.
//!
//! Invariant: a frame is a header of 8 bytes {stream u16, kind u16, length u32}, little-endian, `length` bytes, and [`FRAME_END`].

/// The port that carries the bytes of every stream.
pub const OUTPUT_PORT: &str = "org.capos.output";
/// The port that carries the outcome.
pub const CONTROL_PORT: &str = "org.capos.control";
/// The port that carries standard input.
pub const INPUT_PORT: &str = "org.capos.input";

/// The I/O port of the debug console, which carries the kernel's log and nothing else.
pub const DEBUG_CONSOLE_PORT: u16 = 0xe9;
/// How the line of the kernel's log begins that says how the run ended:
/// `[kernel] machine: exited(3) by process "app": `, with the report behind it, both texts escaped as Rust's `escape_debug` does.
pub const MACHINE_LINE: &str = "machine: ";
/// The I/O port of isa-debug-exit.
pub const DEBUG_EXIT_PORT: u16 = 0xf4;
/// Written to [`DEBUG_EXIT_PORT`] after the outcome was delivered; QEMU then exits with `(value << 1) | 1`, 33.
pub const EXIT_FINISHED: u8 = 0x10;
/// The kernel panicked or could not start; QEMU exits with 35. The log says why.
pub const EXIT_KERNEL_FAILED: u8 = 0x11;
/// The boot stage or the kernel refused the image; QEMU exits with 37. The log says why.
pub const EXIT_IMAGE_REFUSED: u8 = 0x12;

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 8;
/// What each frame ends with.
pub const FRAME_END: [u8; 4] = *b"end\n";
/// What a driver that follows another one writes first: so many zeros, a whole number of headers,
pub const GAP_BYTES: usize = 2 * FRAME_BYTES_MAX;
/// and this, in place of a header.
pub const RESUME: [u8; FRAME_HEADER_BYTES] = *b"resumed\n";
/// Bytes of a frame's payload at most.
pub const FRAME_BYTES_MAX: usize = crate::message::DATA_BYTES_MAX;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FrameKind {
    /// Bytes of the stream, exactly as written.
    Data = 0,
    /// Declares a stream before its first data: payload is one byte [`StreamKind`], then the process's name.
    Declare = 1,
    /// The outcome, on the control port: a `ConsoleFinishParams` message of `schema/interfaces/console.capnp`.
    Outcome = 2,
}

/// Where a stream comes out on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StreamKind {
    /// Standard output.
    Output = 1,
    /// Standard error.
    Error = 2,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which stream: `streams`.
    pub stream: u16,
    /// What it carries.
    pub kind: FrameKind,
    /// Bytes that follow.
    pub length: u32,
}

impl FrameHeader {
    /// The 8 bytes.
    #[must_use]
    pub const fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let word = self.stream as u64 | (self.kind as u64) << 16 | (self.length as u64) << 32;
        word.to_le_bytes()
    }

    /// Reads the 8 bytes; `None` for an unknown kind or a length over [`FRAME_BYTES_MAX`].
    #[must_use]
    pub const fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<FrameHeader> {
        let word = u64::from_le_bytes(*bytes);
        let kind = match (word >> 16) as u16 {
            0 => FrameKind::Data,
            1 => FrameKind::Declare,
            2 => FrameKind::Outcome,
            _ => return None,
        };
        let length = (word >> 32) as u32;
        if length as usize > FRAME_BYTES_MAX {
            return None;
        }
        Some(FrameHeader { stream: word as u16, kind, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        let header = FrameHeader { stream: 7, kind: FrameKind::Outcome, length: 65_536 };
        assert_eq!(FrameHeader::decode(&header.encode()), Some(header));
        assert_eq!(FrameHeader::decode(&[0, 0, 9, 0, 0, 0, 0, 0]), None);
        assert_eq!(FrameHeader::decode(&[0, 0, 0, 0, 1, 0, 1, 0]), None);
        assert_eq!(FrameHeader::decode(&RESUME), None);
    }
}
