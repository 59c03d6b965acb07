//! CRC-32C (Castagnoli): the check of a blob at boot.
//!
//! The portable version, eight bytes a step, for the boot stage, the kernel and the host. Ring 3 may use the processor's
//! `crc32` instruction, which computes the same polynomial.
//!
//! Invariant: equal to RFC 3720 appendix B.4 for every input.

const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let previous = tables[table - 1][index];
            tables[table][index] = (previous >> 8) ^ tables[0][(previous & 0xff) as usize];
            index += 1;
        }
        table += 1;
    }
    tables
}

/// The CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    update(0, bytes)
}

/// Continues the CRC-32C `checksum` of what came before with `bytes`. Start with 0.
#[must_use]
pub fn update(checksum: u32, bytes: &[u8]) -> u32 {
    let mut state = !checksum;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let value = u64::from_le_bytes(*word) ^ u64::from(state);
        state = 0;
        for (table, byte) in TABLES.iter().rev().zip(value.to_le_bytes()) {
            state ^= table[usize::from(byte)];
        }
    }
    for byte in rest {
        state = (state >> 8) ^ TABLES[0][usize::from(state as u8 ^ byte)];
    }
    !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn pieces_equal_the_whole() {
        let bytes: std::vec::Vec<u8> = (0..100).collect();
        for cut in (0..100).step_by(if cfg!(miri) { 33 } else { 1 }) {
            assert_eq!(update(crc32c(&bytes[..cut]), &bytes[cut..]), crc32c(&bytes));
        }
    }
}
