//! Images for ProcessSpawner: one that runs, and many that must be refused.
//!
//! Called by the suite, which gives them to `create`, and by host tests; calls nobody.
//!
//! Invariant: each hostile image differs from the good one in exactly the way that its name says, so an image that is
//! accepted points at one missing check.

/// Bytes of every image: header page, code page, data page.
pub const IMAGE_BYTES: usize = 3 * PAGE;

const PAGE: usize = 4096;
const HEADER_BYTES: usize = 64;
const ROW_BYTES: usize = 56;
const CODE_ADDRESS: u64 = 0x20_0000;
const DATA_ADDRESS: u64 = 0x20_1000;

/// The code of the good image ends its process with this exit code.
pub const EXIT_CODE: u32 = 77;

/// `exit(process, exited(77), no report)`, and an illegal instruction behind it.
const EXIT: &[u8] = &[
    0xbf,
    1,
    0,
    0,
    0, // mov edi, 1
    0xbe,
    EXIT_CODE as u8,
    0,
    0,
    0, // mov esi, 77
    0x31,
    0xd2, // xor edx, edx
    0x45,
    0x31,
    0xd2, // xor r10d, r10d
    0x31,
    0xc0, // xor eax, eax
    0x0f,
    0x05, // syscall
    0x0f,
    0x0b, // ud2
];

/// One change to the good image.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Bytes of the file from an offset on.
    Bytes(usize, &'static [u8]),
    /// A field of a program header: row, offset in the row, value (8 bytes).
    Row(usize, usize, u64),
    /// A field of 4 bytes of a program header.
    RowWord(usize, usize, u32),
    /// The file ends here.
    Cut(usize),
}

use Change::{Bytes, Cut, Row, RowWord};

const KIND: usize = 0;
const FLAGS: usize = 4;
const OFFSET: usize = 8;
const ADDRESS: usize = 16;
const FILE_BYTES: usize = 32;
const MEMORY_BYTES: usize = 40;

/// A malformed image.
#[derive(Clone, Copy, Debug)]
pub struct Hostile {
    /// What is wrong with it.
    pub name: &'static str,
    /// What the kernel's log says about it.
    pub reason: &'static str,
    changes: &'static [Change],
}

const NOT_ELF: &str = "not an ELF image";
const MACHINE: &str = "not a 64-bit little-endian x86_64 image";
const NOT_STATIC: &str = "not a static executable with fixed addresses";
const LOADER: &str = "it needs a dynamic linker or thread-local storage";
const HEADERS: &str = "its program headers are malformed or not in the first page";
const TOO_MANY: &str = "it has more than 16 loadable segments";
const NONE: &str = "it has no loadable segment";
const BOTH: &str = "a segment is writable and executable";
const UNALIGNED: &str = "a segment does not start on a page boundary";
const FILE: &str = "a segment does not lie in the file";
const WINDOW: &str = "a segment lies outside the addresses of programs";
const ZEROS: &str = "a read-only segment is larger in memory than in the file";
const OVERLAP: &str = "two segments share a page or are not in ascending order";
const ENTRY: &str = "its entry point is not in an executable segment";

const fn hostile(name: &'static str, reason: &'static str, changes: &'static [Change]) -> Hostile {
    Hostile { name, reason, changes }
}

/// Every malformed image.
pub const HOSTILE: &[Hostile] = &[
    hostile("one byte", NOT_ELF, &[Cut(1)]),
    hostile("cut in the header", NOT_ELF, &[Cut(63)]),
    hostile("bad magic", NOT_ELF, &[Bytes(0, b"\x7fELG")]),
    hostile("a wasm module", NOT_ELF, &[Bytes(0, b"\0asm\x01\0\0\0")]),
    hostile("32-bit", MACHINE, &[Bytes(4, &[1])]),
    hostile("big-endian", MACHINE, &[Bytes(5, &[2])]),
    hostile("for aarch64", MACHINE, &[Bytes(18, &[183])]),
    hostile("an object file", NOT_STATIC, &[Bytes(16, &[1])]),
    hostile("position-independent", NOT_STATIC, &[Bytes(16, &[3])]),
    hostile("with an interpreter", LOADER, &[RowWord(1, KIND, 3)]),
    hostile("with a dynamic section", LOADER, &[RowWord(1, KIND, 2)]),
    hostile("with thread-local storage", LOADER, &[RowWord(1, KIND, 7)]),
    hostile("program headers of 32 bytes", HEADERS, &[Bytes(54, &[32])]),
    hostile("program headers past the first page", HEADERS, &[Bytes(32, &[0xc8, 0x0f])]),
    hostile("program headers far outside", HEADERS, &[Bytes(32, &[0xff; 8])]),
    hostile("65,535 program headers", HEADERS, &[Bytes(56, &[0xff, 0xff])]),
    hostile("17 segments", TOO_MANY, &[Bytes(56, &[17])]),
    hostile("no program header", NONE, &[Bytes(56, &[0])]),
    hostile("no loadable segment", NONE, &[RowWord(0, KIND, 4), RowWord(1, KIND, 4)]),
    hostile("writable code", BOTH, &[RowWord(0, FLAGS, 7)]),
    hostile("code not on a page", UNALIGNED, &[Row(0, ADDRESS, CODE_ADDRESS + 16)]),
    hostile("code not on a page of the file", UNALIGNED, &[Row(0, OFFSET, PAGE as u64 + 8)]),
    hostile(
        "a segment past the file",
        FILE,
        &[Row(1, FILE_BYTES, PAGE as u64 + 1), Row(1, MEMORY_BYTES, 0x2000)],
    ),
    hostile("a file range that wraps", FILE, &[Row(1, OFFSET, u64::MAX - 4095)]),
    hostile("more file than memory", FILE, &[Row(0, MEMORY_BYTES, 8)]),
    hostile("the page at address 0", WINDOW, &[Row(0, ADDRESS, 0)]),
    hostile("an address of the kernel", WINDOW, &[Row(1, ADDRESS, 0xffff_8000_0000_0000)]),
    hostile(
        "across the end of the lower half",
        WINDOW,
        &[Row(1, ADDRESS, 0x7fff_ffff_f000), Row(1, MEMORY_BYTES, 0x2000)],
    ),
    hostile("a size that wraps", WINDOW, &[Row(1, MEMORY_BYTES, u64::MAX)]),
    hostile("an address that is not canonical", WINDOW, &[Row(1, ADDRESS, 0x8000_0000_0000)]),
    hostile("zeros behind code", ZEROS, &[Row(0, MEMORY_BYTES, 8192), Row(1, ADDRESS, DATA_ADDRESS + 4096)]),
    hostile("overlapping segments", OVERLAP, &[Row(1, ADDRESS, CODE_ADDRESS)]),
    hostile("descending segments", OVERLAP, &[Row(0, ADDRESS, DATA_ADDRESS + 0x2000)]),
    hostile("an entry in data", ENTRY, &[Bytes(24, &DATA_ADDRESS.to_le_bytes())]),
    hostile("an entry at address 0", ENTRY, &[Bytes(24, &[0; 8])]),
    hostile("an entry in the kernel", ENTRY, &[Bytes(24, &[0xff; 8])]),
    hostile(
        "an entry behind the code",
        ENTRY,
        &[Bytes(24, &(CODE_ADDRESS + EXIT.len() as u64).to_le_bytes())],
    ),
];

impl Hostile {
    /// Writes the image into `bytes`; returns its size.
    pub fn write(&self, bytes: &mut [u8; IMAGE_BYTES]) -> usize {
        let mut length = good(bytes);
        for change in self.changes {
            match *change {
                Bytes(at, new) => bytes[at..at + new.len()].copy_from_slice(new),
                Row(row, field, value) => {
                    put(bytes, HEADER_BYTES + row * ROW_BYTES + field, &value.to_le_bytes())
                }
                RowWord(row, field, value) => {
                    put(bytes, HEADER_BYTES + row * ROW_BYTES + field, &value.to_le_bytes());
                }
                Cut(at) => length = at,
            }
        }
        length
    }
}

/// Writes the image that runs and ends with [`EXIT_CODE`]; returns its size. Its table has room for 17 rows, of which two
/// count; the others are segments too.
pub fn good(bytes: &mut [u8; IMAGE_BYTES]) -> usize {
    bytes.fill(0);
    put(bytes, 0, b"\x7fELF\x02\x01\x01");
    put(bytes, 16, &[2, 0, 62, 0, 1]);
    put(bytes, 24, &CODE_ADDRESS.to_le_bytes());
    put(bytes, 32, &[HEADER_BYTES as u8]);
    put(bytes, 52, &[HEADER_BYTES as u8, 0, ROW_BYTES as u8, 0, 2]);
    row(bytes, 0, 5, PAGE as u64, CODE_ADDRESS, EXIT.len() as u64);
    row(bytes, 1, 6, 2 * PAGE as u64, DATA_ADDRESS, PAGE as u64);
    for extra in 2..17 {
        row(bytes, extra, 4, 0, DATA_ADDRESS + extra as u64 * PAGE as u64, 16);
    }
    put(bytes, PAGE, EXIT);
    IMAGE_BYTES
}

/// Writes the image whose last instruction is a system call in the last bytes that a program can have, with `end` as the
/// first address past them; returns its size.
pub fn at_the_end(bytes: &mut [u8; IMAGE_BYTES], end: u64) -> usize {
    let length = good(bytes);
    let start = end - PAGE as u64;
    put(bytes, 56, &[1]);
    put(bytes, 24, &(end - 7).to_le_bytes());
    row(bytes, 0, 5, PAGE as u64, start, PAGE as u64);
    // enter(0, now, no timer): mov eax, 1; syscall
    put(bytes, 2 * PAGE - 7, &[0xb8, 1, 0, 0, 0, 0x0f, 0x05]);
    length
}

fn row(bytes: &mut [u8; IMAGE_BYTES], row: usize, flags: u8, offset: u64, address: u64, length: u64) {
    let at = HEADER_BYTES + row * ROW_BYTES;
    put(bytes, at, &[1, 0, 0, 0, flags]);
    for (field, value) in
        [(OFFSET, offset), (ADDRESS, address), (24, address), (FILE_BYTES, length), (MEMORY_BYTES, length)]
    {
        put(bytes, at + field, &value.to_le_bytes());
    }
}

fn put(bytes: &mut [u8; IMAGE_BYTES], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn written(hostile: &Hostile) -> Vec<u8> {
        let mut bytes = [0; IMAGE_BYTES];
        let length = hostile.write(&mut bytes);
        bytes[..length].to_vec()
    }

    #[test]
    fn every_hostile_image_is_another_one() {
        let mut good_bytes = [0; IMAGE_BYTES];
        good(&mut good_bytes);
        let images: Vec<Vec<u8>> = HOSTILE.iter().map(written).collect();
        for (index, image) in images.iter().enumerate() {
            assert_ne!(image, &good_bytes, "{}", HOSTILE[index].name);
            assert!(!images[..index].contains(image), "{}", HOSTILE[index].name);
        }
    }

    #[test]
    fn the_reader_refuses_each_for_its_reason() {
        use capos_kernel_core::elf::Executable;
        use capos_kernel_core::pages::Pages;
        let window = Pages { start: 1, end: 0x7_ffff_ffff };
        let parse = |bytes: &[u8]| {
            Executable::parse(&bytes[..bytes.len().min(PAGE)], bytes.len() as u64, window)
                .map_err(|error| error.text())
        };
        let mut bytes = [0; IMAGE_BYTES];
        good(&mut bytes);
        assert!(parse(&bytes).is_ok());
        at_the_end(&mut bytes, 0x7fff_ffff_f000);
        assert!(parse(&bytes).is_ok());
        for hostile in HOSTILE {
            assert_eq!(parse(&written(hostile)).err(), Some(hostile.reason), "{}", hostile.name);
        }
    }

    #[test]
    fn each_reason_has_an_image() {
        let reasons = [
            NOT_ELF, MACHINE, NOT_STATIC, LOADER, HEADERS, TOO_MANY, NONE, BOTH, UNALIGNED, FILE, WINDOW,
            ZEROS, OVERLAP, ENTRY,
        ];
        for reason in reasons {
            assert!(HOSTILE.iter().any(|hostile| hostile.reason == reason), "{reason}");
        }
    }
}
