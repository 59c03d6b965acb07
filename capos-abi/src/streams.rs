//! The streams of a run: which number belongs to which process, and what the console's driver is told of it.
//!
//! init writes the names into a memory object for each start of the driver, and gives each stream's object its number as the
//! cookie; the driver reads both. Pure.
//!
//! Invariant: numbers do not change while a machine runs: whoever has a stream keeps it when the driver is started again.

use crate::host::StreamKind;

/// Bytes of a process's name at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Rows at most: numbers have 16 bits.
pub const ROWS_MAX: usize = u16::MAX as usize / 2;

/// The number of the stream of the process in this row: two for each row, from 1 on.
#[must_use]
pub const fn number(row: usize, kind: StreamKind) -> Option<u16> {
    if row >= ROWS_MAX { None } else { Some(2 * row as u16 + kind as u16) }
}

/// The row and the kind of the stream with this number.
#[must_use]
pub const fn row(number: u16) -> Option<(usize, StreamKind)> {
    match number {
        0 => None,
        odd if odd % 2 == 1 => Some((odd as usize / 2, StreamKind::Output)),
        even => Some((even as usize / 2 - 1, StreamKind::Error)),
    }
}

/// The first byte of the list: true if the console had a driver before in this run.
#[must_use]
pub const fn flag(is_again: bool) -> u8 {
    is_again as u8
}

/// A list of names as it is given to the driver: its first byte is [`flag`], each name has its length in a byte before it.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    bytes: &'n [u8],
}

impl<'n> Names<'n> {
    /// Whether the console had a driver before, and the names; `None` for no list.
    #[must_use]
    pub fn read(list: &'n [u8]) -> Option<(bool, Names<'n>)> {
        let (first, bytes) = list.split_first()?;
        (*first <= 1).then_some((*first == 1, Names { bytes }))
    }
}

impl<'n> Iterator for Names<'n> {
    type Item = &'n [u8];

    /// The next row's; a name that is cut off ends the list.
    fn next(&mut self) -> Option<&'n [u8]> {
        let (length, rest) = self.bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        self.bytes = rest;
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn numbers_name_rows_and_kinds() {
        for row_number in [0, 1, 9, ROWS_MAX - 1] {
            for kind in [StreamKind::Output, StreamKind::Error] {
                let stream = number(row_number, kind).unwrap();
                assert_eq!(row(stream), Some((row_number, kind)));
            }
        }
        assert_eq!((number(0, StreamKind::Output), number(0, StreamKind::Error)), (Some(1), Some(2)));
        assert_eq!((number(ROWS_MAX, StreamKind::Output), row(0)), (None, None));
    }

    #[test]
    fn lists_end_where_their_bytes_do() {
        let (is_again, names) = Names::read(b"\x01\x04init\x00\x02ab\x05cut").unwrap();
        assert!(is_again);
        assert_eq!(names.collect::<Vec<_>>(), [&b"init"[..], b"", b"ab"]);
        assert_eq!(Names::read(&[flag(false)]).unwrap().1.count(), 0);
        assert!(Names::read(b"").is_none());
        assert!(Names::read(b"\x02").is_none());
    }
}
