//! The random generator: a ChaCha20 generator and the account of what it was fed.
//!
//! Sources are counted (a processor instruction or a device made for it) or not (timing jitter). The generator refuses
//! until [`BITS_NEEDED`] bits from counted sources are in. Called by the kernel's entropy object and its start-up.
//!
//! Invariant: the key is replaced before any output leaves and output is wiped when it has left, so what leaks later does not
//! tell earlier output; what is fed in can only add to the key, never replace it.

mod cipher;

use cipher::{BLOCK_BYTES, Blocks};

/// Bits from counted sources before the first output.
pub const BITS_NEEDED: u32 = 256;

/// Bytes of a key, and of one portion of input.
pub const KEY_BYTES: usize = 32;

/// Bytes of output that are made at once for small requests, besides the next key: what four blocks give.
const BUFFER_BYTES: usize = 4 * BLOCK_BYTES - KEY_BYTES;

/// The generator is not seeded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSeeded;

/// A ChaCha20 generator with its key and its account.
pub struct Generator {
    key: [u8; KEY_BYTES],
    counted_bits: u32,
    /// Output that has not left yet: the last `buffered` bytes.
    buffer: [u8; BUFFER_BYTES],
    buffered: usize,
}

impl Default for Generator {
    fn default() -> Generator {
        Generator::new()
    }
}

impl Generator {
    /// A generator that has been fed nothing.
    #[must_use]
    pub const fn new() -> Generator {
        Generator { key: [0; KEY_BYTES], counted_bits: 0, buffer: [0; BUFFER_BYTES], buffered: 0 }
    }

    /// Feeds bytes of a source that counts: each byte is taken for 8 bits of entropy.
    pub fn feed_counted(&mut self, bytes: &[u8]) {
        self.absorb(bytes);
        let bits = u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX);
        self.counted_bits = self.counted_bits.saturating_add(bits);
    }

    /// Feeds bytes that are welcome and do not count, such as timing jitter.
    pub fn feed_uncounted(&mut self, bytes: &[u8]) {
        self.absorb(bytes);
    }

    /// Bits fed by counted sources.
    #[must_use]
    pub const fn counted_bits(&self) -> u32 {
        self.counted_bits
    }

    /// True once [`Generator::fill`] answers.
    #[must_use]
    pub const fn is_seeded(&self) -> bool {
        self.counted_bits >= BITS_NEEDED
    }

    /// Fills `output` with random bytes.
    ///
    /// # Errors
    /// [`NotSeeded`]; `output` is then unchanged.
    pub fn fill(&mut self, output: &mut [u8]) -> Result<(), NotSeeded> {
        if !self.is_seeded() {
            return Err(NotSeeded);
        }
        if output.len() > BUFFER_BYTES {
            self.rekey(output);
            return Ok(());
        }
        if output.len() > self.buffered {
            let mut buffer = [0; BUFFER_BYTES];
            self.rekey(&mut buffer);
            self.buffer = buffer;
            self.buffered = BUFFER_BYTES;
        }
        let start = BUFFER_BYTES - self.buffered;
        if let Some(source) = self.buffer.get_mut(start..start + output.len()) {
            output.copy_from_slice(source);
            source.fill(0);
            self.buffered -= output.len();
        }
        Ok(())
    }

    fn absorb(&mut self, bytes: &[u8]) {
        self.buffer.fill(0);
        self.buffered = 0;
        for portion in bytes.chunks(KEY_BYTES) {
            for (key, byte) in self.key.iter_mut().zip(portion) {
                *key ^= byte;
            }
            self.rekey(&mut []);
        }
    }

    /// Replaces the key by the start of its own stream and fills `output` with what follows in it.
    fn rekey(&mut self, output: &mut [u8]) {
        let mut blocks = Blocks::new(&self.key);
        let mut block = [0; BLOCK_BYTES];
        blocks.next(&mut block);
        let (key, rest) = block.split_at(KEY_BYTES);
        self.key.copy_from_slice(key);
        let (head, tail) = output.split_at_mut(output.len().min(rest.len()));
        head.copy_from_slice(rest.get(..head.len()).unwrap_or_default());
        let (whole, end) = tail.as_chunks_mut();
        whole.iter_mut().for_each(|whole| blocks.next(whole));
        if !end.is_empty() {
            blocks.next(&mut block);
            end.copy_from_slice(block.get(..end.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(byte: u8) -> Generator {
        let mut generator = Generator::new();
        generator.feed_counted(&[byte; 32]);
        generator
    }

    #[test]
    fn nothing_leaves_before_the_seed() {
        let mut generator = Generator::new();
        let mut output = [7; 16];
        generator.feed_uncounted(&[1; 1000]);
        generator.feed_counted(&[1; 31]);
        assert_eq!(generator.fill(&mut output), Err(NotSeeded));
        assert_eq!((output, generator.counted_bits()), ([7; 16], 248));
        generator.feed_counted(&[1]);
        generator.fill(&mut output).unwrap();
        assert_ne!(output, [7; 16]);
    }

    #[test]
    fn the_stream_is_chacha20() {
        // The first key block of an all-zero key (RFC 8439, appendix A.1, test vector 1).
        let mut generator = Generator { counted_bits: 256, ..Generator::new() };
        let mut output = [0; 8];
        generator.fill(&mut output).unwrap();
        assert_eq!(generator.key[..8], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        assert_eq!(output, [0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d]);
    }

    #[test]
    fn the_same_seed_repeats_and_others_differ() {
        let mut outputs = [[0; 64]; 4];
        let mut first = seeded(1);
        first.fill(&mut outputs[0]).unwrap();
        first.fill(&mut outputs[1]).unwrap();
        seeded(1).fill(&mut outputs[2]).unwrap();
        seeded(2).fill(&mut outputs[3]).unwrap();
        assert_eq!(outputs[0], outputs[2]);
        assert_ne!(outputs[0], outputs[1]);
        assert_ne!(outputs[0], outputs[3]);
    }

    #[test]
    fn no_output_comes_twice_and_none_stays() {
        let mut generator = seeded(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..if cfg!(miri) { 1 } else { 100 } {
            for length in [8, 24, 200, 224, 225, 4096] {
                let mut output = std::vec![0; length];
                generator.fill(&mut output).unwrap();
                assert!(output.chunks_exact(8).all(|word| seen.insert(word.to_vec())));
            }
        }
        generator.fill(&mut []).unwrap();
        let left = BUFFER_BYTES - generator.buffered;
        assert!(generator.buffer[..left].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn later_input_changes_the_stream() {
        let (mut plain, mut fed) = (seeded(1), seeded(1));
        plain.fill(&mut [0; 8]).unwrap();
        fed.fill(&mut [0; 8]).unwrap();
        fed.feed_uncounted(&[0; 5]);
        let mut outputs = [[0; 32]; 2];
        plain.fill(&mut outputs[0]).unwrap();
        fed.fill(&mut outputs[1]).unwrap();
        assert_ne!(outputs[0], outputs[1]);
    }
}
