//! Sizes of the sections of an ELF file, as far as the size budget needs them.
//!
//! Called by `sizes`. Reads 64-bit little-endian files, which is what capOS builds.

/// Bytes of executable code: all sections that are both loaded and executable. `None` if this is no such file.
pub(crate) fn code_bytes(file: &[u8]) -> Option<u64> {
    const ALLOCATED_AND_EXECUTABLE: u64 = 0x2 | 0x4;
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(number(file, 0x28, 8)?).ok()?;
    let entry_bytes = usize::try_from(number(file, 0x3a, 2)?).ok()?;
    let entries = usize::try_from(number(file, 0x3c, 2)?).ok()?;
    let mut total = 0;
    for index in 0..entries {
        let entry = table.checked_add(index * entry_bytes)?;
        if number(file, entry + 8, 8)? & ALLOCATED_AND_EXECUTABLE == ALLOCATED_AND_EXECUTABLE {
            total += number(file, entry + 0x20, 8)?;
        }
    }
    Some(total)
}

/// A little-endian number of up to eight bytes.
fn number(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let field = file.get(at..at.checked_add(bytes)?)?;
    Some(field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loaded_code_counts() {
        let mut file = vec![0; 0x40 + 2 * 0x40];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[0x28], file[0x3a], file[0x3c]) = (0x40, 0x40, 2);
        (file[0x40 + 8], file[0x40 + 0x20]) = (0x6, 100);
        (file[0x80 + 8], file[0x80 + 0x20]) = (0x2, 50);
        assert_eq!(code_bytes(&file), Some(100));
    }

    #[test]
    fn a_cut_file_is_refused() {
        assert_eq!(code_bytes(b"\x7fELF\x02\x01\0"), None);
        assert_eq!(code_bytes(b"#!/bin/sh"), None);
    }
}
