//! The streams of the console's clients, and what stands in front of their bytes on the wire.
//!
//! Called by `serve` for each call. A stream's number is the cookie of its object (`capos_abi::streams`). Pure.
//!
//! Invariant: a stream is declared right in front of its first bytes, once in the life of a driver.

use alloc::vec::Vec;

use capos_abi::host::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use capos_abi::streams::{self, NAME_BYTES_MAX, Names};

/// Bytes in front of the data at most: a declaration with its end, and the data's own header.
pub const HEAD_BYTES_MAX: usize =
    FRAME_HEADER_BYTES + 1 + NAME_BYTES_MAX + FRAME_END.len() + FRAME_HEADER_BYTES;
pub use capos_abi::host::FRAME_END;

/// Why bytes were not taken: more than a frame carries, or a number that is no stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// All streams.
#[derive(Debug)]
pub struct Streams<'n> {
    names: Vec<&'n [u8]>,
    /// By number, from 1 on.
    is_declared: Vec<bool>,
    is_again: bool,
}

impl<'n> Streams<'n> {
    /// The streams of a list that init wrote; `None` if it is none, or there is no memory for it.
    #[must_use]
    pub fn read(list: &'n [u8]) -> Option<Streams<'n>> {
        let (is_again, rows) = Names::read(list)?;
        let mut names = Vec::new();
        let mut is_declared = Vec::new();
        for name in rows {
            names.try_reserve(1).ok()?;
            names.push(name);
        }
        is_declared.try_reserve_exact(2 * names.len()).ok()?;
        is_declared.resize(2 * names.len(), false);
        Some(Streams { names, is_declared, is_again })
    }

    /// True if the console had a driver before in this run.
    #[must_use]
    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// How many there are: no more than so many processes and streams wait at a time, one write each.
    #[must_use]
    pub fn count(&self) -> usize {
        self.is_declared.len()
    }

    /// Writes what stands in front of `length` bytes of this stream; returns its bytes. Say [`Streams::sent`] when the
    /// device has been given it.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn head(
        &self,
        cookie: u64,
        length: usize,
        head: &mut [u8; HEAD_BYTES_MAX],
    ) -> Result<usize, Invalid> {
        let number = u16::try_from(cookie).map_err(|_| Invalid)?;
        let (row, kind) = streams::row(number).ok_or(Invalid)?;
        let name = self.names.get(row).filter(|name| name.len() <= NAME_BYTES_MAX).ok_or(Invalid)?;
        if length > FRAME_BYTES_MAX {
            return Err(Invalid);
        }
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(place) = head.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
                at += bytes.len();
            }
        };
        if self.is_declared.get(usize::from(number) - 1) == Some(&false) {
            let length = 1 + name.len() as u32;
            put(&FrameHeader { stream: number, kind: FrameKind::Declare, length }.encode());
            put(&[kind as u8]);
            put(name);
            put(&FRAME_END);
        }
        put(&FrameHeader { stream: number, kind: FrameKind::Data, length: length as u32 }.encode());
        Ok(at)
    }

    /// The device was given the stream's bytes with their head.
    pub fn sent(&mut self, cookie: u64) {
        let place = usize::try_from(cookie).ok().and_then(|number| number.checked_sub(1));
        if let Some(is_declared) = place.and_then(|place| self.is_declared.get_mut(place)) {
            *is_declared = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(streams: &Streams<'_>, cookie: u64, length: usize) -> Result<Vec<u8>, Invalid> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let count = streams.head(cookie, length, &mut bytes)?;
        Ok(bytes[..count].to_vec())
    }

    #[test]
    fn a_stream_is_declared_once_in_front_of_its_first_bytes() {
        let mut streams = Streams::read(b"\x00\x04init\x03app").unwrap();
        assert_eq!((streams.count(), streams.is_again()), (4, false));
        let declared =
            [&[4, 0, 1, 0, 4, 0, 0, 0, 2][..], b"app", &FRAME_END, &[4, 0, 0, 0, 5, 0, 0, 0]].concat();
        assert_eq!(head(&streams, 4, 5).unwrap(), declared);
        assert_eq!(head(&streams, 4, 5).unwrap(), declared, "the device did not take it");
        streams.sent(4);
        assert_eq!(head(&streams, 4, 65_536).unwrap(), [4, 0, 0, 0, 0, 0, 1, 0]);
        assert!(head(&streams, 3, 1).unwrap().starts_with(&[3, 0, 1, 0, 4, 0, 0, 0, 1]));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let longest = [&[1, 64][..], &[b'x'; 64], &[65], &[b'y'; 65]].concat();
        let mut streams = Streams::read(&longest).unwrap();
        assert!(streams.is_again());
        assert_eq!(head(&streams, 1, 1).unwrap().len(), HEAD_BYTES_MAX);
        for cookie in [0, 3, 5, 0x1_0001, u64::MAX] {
            assert_eq!(head(&streams, cookie, 1), Err(Invalid), "{cookie}");
            streams.sent(cookie);
        }
        assert_eq!(head(&streams, 2, 65_537), Err(Invalid));
        assert!(Streams::read(b"").is_none());
    }
}
