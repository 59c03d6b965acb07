//! Bytes of the device until they are enough for a feed.
//!
//! Called by `drive` with what each request brought. Pure.
//!
//! Invariant: a portion is handed out once, and whole; it is neither one byte repeated nor the portion before it.

use core::fmt::{Display, Formatter};

/// Bytes of a request, and of a feed: twice what seeds the generator.
pub const PORTION_BYTES: usize = 64;
/// Requests in a row that may bring nothing.
pub const EMPTY_MAX: u32 = 16;

/// Why the device is not listened to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It gives requests back without bytes.
    Empty,
    /// It gives the same byte again and again.
    Constant,
    /// It gives the same bytes again.
    Repeated,
}

impl Display for Distrust {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Distrust::Empty => "the device answers without bytes",
            Distrust::Constant => "the device gives one byte again and again",
            Distrust::Repeated => "the device repeats itself",
        })
    }
}

/// Collects one portion after the other.
#[derive(Clone, Debug)]
pub struct Collector {
    portion: [u8; PORTION_BYTES],
    filled: usize,
    /// The portion before, if there was one.
    last: Option<[u8; PORTION_BYTES]>,
    empty: u32,
}

impl Default for Collector {
    fn default() -> Collector {
        Collector::new()
    }
}

impl Collector {
    /// A collector that has nothing.
    #[must_use]
    pub const fn new() -> Collector {
        Collector { portion: [0; PORTION_BYTES], filled: 0, last: None, empty: 0 }
    }

    /// Adds what a request brought; what is more than the portion lacks is left out. Returns the portion when it is whole.
    ///
    /// # Errors
    /// [`Distrust`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<Option<[u8; PORTION_BYTES]>, Distrust> {
        let count = bytes.len().min(PORTION_BYTES - self.filled);
        self.empty = if count == 0 { self.empty + 1 } else { 0 };
        if self.empty == EMPTY_MAX {
            return Err(Distrust::Empty);
        }
        self.portion[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        if self.filled < PORTION_BYTES {
            return Ok(None);
        }
        let portion = core::mem::replace(&mut self.portion, [0; PORTION_BYTES]);
        self.filled = 0;
        if portion.iter().all(|byte| *byte == portion[0]) {
            return Err(Distrust::Constant);
        }
        if self.last.replace(portion) == Some(portion) {
            return Err(Distrust::Repeated);
        }
        Ok(Some(portion))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn different(seed: u8) -> [u8; PORTION_BYTES] {
        core::array::from_fn(|index| (index as u8).wrapping_mul(7).wrapping_add(seed))
    }

    #[test]
    fn a_portion_is_handed_out_when_it_is_whole() {
        let (first, second) = (different(1), different(2));
        let mut collector = Collector::new();
        assert_eq!(collector.add(&first[..10]), Ok(None));
        assert_eq!(collector.add(&first[10..63]), Ok(None));
        assert_eq!(collector.add(&first[63..]), Ok(Some(first)));
        assert_eq!(collector.add(&second), Ok(Some(second)));
    }

    #[test]
    fn a_device_that_gives_more_than_was_asked_for_adds_no_more() {
        let mut long = [9; PORTION_BYTES + 5];
        long[..PORTION_BYTES].copy_from_slice(&different(3));
        let mut collector = Collector::new();
        assert_eq!(collector.add(&long), Ok(Some(different(3))));
        assert_eq!(collector.add(&[1]), Ok(None));
    }

    #[test]
    fn broken_devices_are_not_listened_to() {
        let mut collector = Collector::new();
        for _ in 1..EMPTY_MAX {
            assert_eq!(collector.add(&[]), Ok(None));
        }
        assert_eq!(collector.add(&[]), Err(Distrust::Empty));

        let mut collector = Collector::new();
        assert_eq!(collector.add(&[0; PORTION_BYTES]), Err(Distrust::Constant));

        let mut collector = Collector::new();
        assert_eq!(collector.add(&different(1)), Ok(Some(different(1))));
        assert_eq!(collector.add(&different(1)), Err(Distrust::Repeated));
    }

    #[test]
    fn bytes_between_empty_answers_keep_the_device() {
        let mut collector = Collector::new();
        for round in 0..10 {
            for _ in 1..EMPTY_MAX {
                assert_eq!(collector.add(&[]), Ok(None));
            }
            assert_eq!(collector.add(&[round]), Ok(None));
        }
    }
}
