//! The ChaCha20 key stream (RFC 8439) in plain words: ring 0 has no vector registers of its own.
//!
//! Called by the generator. The counter has 64 bits and the nonce is zero, because a key is used for one stream only.
//!
//! Invariant: blocks come in order, and none comes twice.

use super::KEY_BYTES;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const DOUBLE_ROUNDS: usize = 10;

/// The blocks of one key.
pub(super) struct Blocks {
    /// Constants, key, counter, nonce.
    input: [u32; 16],
}

impl Blocks {
    /// The stream of `key`, from its first block on.
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Blocks {
        let mut input = [0; 16];
        let key = key.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        for (word, value) in input.iter_mut().zip(CONSTANTS.into_iter().chain(key)) {
            *word = value;
        }
        Blocks { input }
    }

    /// Writes the next block.
    #[inline(never)] // Sixteen words want all registers.
    pub(super) fn next(&mut self, block: &mut [u8; BLOCK_BYTES]) {
        let mut words = self.input;
        for _ in 0..DOUBLE_ROUNDS {
            double_round(&mut words);
        }
        let sums = words.iter().zip(&self.input).map(|(word, input)| word.wrapping_add(*input));
        for (bytes, sum) in block.as_chunks_mut().0.iter_mut().zip(sums) {
            *bytes = sum.to_le_bytes();
        }
        let [.., low, high, _, _] = &mut self.input;
        let (next, has_wrapped) = low.overflowing_add(1);
        *low = next;
        *high = high.wrapping_add(u32::from(has_wrapped));
    }
}

/// A round over the columns, and one over the diagonals.
#[inline(always)]
fn double_round(words: &mut [u32; 16]) {
    for column in 0..4 {
        quarter_round(words, [column, 4 + column, 8 + column, 12 + column]);
    }
    for column in 0..4 {
        let diagonal = |row: usize| 4 * row + (column + row) % 4;
        quarter_round(words, [column, diagonal(1), diagonal(2), diagonal(3)]);
    }
}

#[inline(always)]
fn quarter_round(words: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (first, second) in [(16, 12), (8, 7)] {
        words[a] = words[a].wrapping_add(words[b]);
        words[d] = (words[d] ^ words[a]).rotate_left(first);
        words[c] = words[c].wrapping_add(words[d]);
        words[b] = (words[b] ^ words[c]).rotate_left(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    fn block(key: [u8; KEY_BYTES], number: usize) -> [u8; BLOCK_BYTES] {
        let mut blocks = Blocks::new(&key);
        let mut block = [0; BLOCK_BYTES];
        (0..=number).for_each(|_| blocks.next(&mut block));
        block
    }

    #[test]
    fn blocks_are_those_of_the_rfc() {
        // RFC 8439, appendix A.1, test vectors 1 to 3: the first and the last four bytes.
        let ends = |block: [u8; BLOCK_BYTES]| (block[..4].to_vec(), block[60..].to_vec());
        let mut key = [0; KEY_BYTES];
        assert_eq!(
            ends(block(key, 0)),
            ([0x76, 0xb8, 0xe0, 0xad].to_vec(), [0xb2, 0xee, 0x65, 0x86].to_vec())
        );
        assert_eq!(
            ends(block(key, 1)),
            ([0x9f, 0x07, 0xe7, 0xbe].to_vec(), [0x4b, 0x79, 0x4d, 0x6f].to_vec())
        );
        key[31] = 1;
        assert_eq!(
            ends(block(key, 1)),
            ([0x3a, 0xeb, 0x52, 0x24].to_vec(), [0x00, 0x6c, 0x13, 0xa0].to_vec())
        );
    }

    #[test]
    fn another_implementation_agrees() {
        for seed in 0..if cfg!(miri) { 1 } else { 50 } {
            let key = core::array::from_fn(|index| (index as u8).wrapping_mul(37).wrapping_add(seed));
            let mut stream = [0; 10 * BLOCK_BYTES];
            ChaCha20Rng::from_seed(key).fill_bytes(&mut stream);
            let mut blocks = Blocks::new(&key);
            for expected in stream.as_chunks::<BLOCK_BYTES>().0 {
                let mut block = [0; BLOCK_BYTES];
                blocks.next(&mut block);
                assert_eq!(block, *expected);
            }
        }
    }

    #[test]
    fn the_counter_has_64_bits() {
        let mut blocks = Blocks::new(&[7; KEY_BYTES]);
        blocks.input[12] = u32::MAX;
        blocks.next(&mut [0; BLOCK_BYTES]);
        assert_eq!(blocks.input[12..14], [0, 1]);
    }
}
