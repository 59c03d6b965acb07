//! CRC-32C with the processor's `crc32` instruction where the target has it.
//!
//! Called by init for the parts of the boot image that it uses. The same polynomial as [`capos_abi::checksum`], which is
//! used where the instruction is not assumed.
//!
//! Invariant: equal to the portable version for every input.

/// The CRC-32C of `bytes`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse4.2"))]
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    // SAFETY: the target has the instruction: this function exists only then.
    unsafe { with_instruction(bytes) }
}

#[cfg(all(target_arch = "x86_64", any(test, target_feature = "sse4.2")))]
#[target_feature(enable = "sse4.2")]
fn with_instruction(bytes: &[u8]) -> u32 {
    use core::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};

    let (words, rest) = bytes.as_chunks::<8>();
    let mut state = u64::from(u32::MAX);
    for word in words {
        state = _mm_crc32_u64(state, u64::from_le_bytes(*word));
    }
    let mut state = state as u32;
    for byte in rest {
        state = _mm_crc32_u8(state, *byte);
    }
    !state
}

/// The CRC-32C of `bytes`.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse4.2")))]
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    capos_abi::checksum::crc32c(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_instruction_equals_the_portable_version() {
        if !std::is_x86_feature_detected!("sse4.2") {
            return;
        }
        let bytes: std::vec::Vec<u8> = (0..1000_u32).map(|value| (value * 7) as u8).collect();
        for length in [0, 1, 7, 8, 9, 999, 1000] {
            // SAFETY: the processor has the instruction.
            let found = unsafe { super::with_instruction(&bytes[..length]) };
            assert_eq!(found, capos_abi::checksum::crc32c(&bytes[..length]));
            assert_eq!(super::crc32c(&bytes[..length]), found);
        }
    }
}
