//! The host's random source.

/// The driver.
pub struct Rng {}

impl Rng {
    /// Reads up to 64 bytes; waits for the host for at most `patience` nanoseconds. Returns the bytes read, 0 if the host was late (they come with the
    /// next read then).
    pub fn read(&mut self, bytes: &mut [u8], clock: &crate::time::Clock, patience: u64) -> usize {
        crate::absent()
    }
}
