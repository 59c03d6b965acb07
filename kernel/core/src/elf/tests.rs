//! Tests of the ELF reader: one image that is accepted, and each way to be refused.

use super::*;
use std::vec::Vec;

const WINDOW: Pages = Pages { start: 0x200, end: 0x10000 };
const FILE_BYTES: u64 = 0x10000;

#[derive(Clone, Copy)]
struct Row {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file: u64,
    memory: u64,
}

const CODE: Row = Row { kind: 1, flags: 5, offset: 0x1000, address: 0x20_0000, file: 0x1800, memory: 0x1800 };
const RODATA: Row = Row { kind: 1, flags: 4, offset: 0x3000, address: 0x20_2000, file: 0x10, memory: 0x10 };
const DATA: Row = Row { kind: 1, flags: 6, offset: 0x4000, address: 0x20_3000, file: 0x10, memory: 0x5000 };

fn image(rows: &[Row]) -> Vec<u8> {
    let mut bytes = std::vec![0; HEADER_BYTES];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[16] = 2;
    bytes[18] = 62;
    bytes[24..32].copy_from_slice(&0x20_0010u64.to_le_bytes());
    bytes[32] = HEADER_BYTES as u8;
    bytes[54] = PROGRAM_HEADER_BYTES as u8;
    bytes[56] = rows.len() as u8;
    for row in rows {
        bytes.extend(row.kind.to_le_bytes());
        bytes.extend(row.flags.to_le_bytes());
        for word in [row.offset, row.address, row.address, row.file, row.memory, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

fn parse(bytes: &[u8]) -> Result<Executable, ElfError> {
    Executable::parse(bytes, FILE_BYTES, WINDOW)
}

fn refusal(rows: &[Row]) -> ElfError {
    parse(&image(rows)).unwrap_err()
}

fn changed(at: usize, byte: u8) -> ElfError {
    let mut bytes = image(&[CODE, DATA]);
    bytes[at] = byte;
    parse(&bytes).unwrap_err()
}

#[test]
fn an_ordinary_image_is_accepted() {
    let note = Row { kind: 4, ..CODE };
    let executable = parse(&image(&[note, CODE, RODATA, DATA])).unwrap();
    let segments: Vec<Segment> = executable.segments().collect();
    assert_eq!(executable.entry, 0x20_0010);
    assert_eq!(
        segments,
        [
            Segment {
                pages: Pages { start: 0x200, end: 0x202 },
                access: Access::Execute,
                file_page: 1,
                file_bytes: 0x1800
            },
            Segment {
                pages: Pages { start: 0x202, end: 0x203 },
                access: Access::Read,
                file_page: 3,
                file_bytes: 0x10
            },
            Segment {
                pages: Pages { start: 0x203, end: 0x208 },
                access: Access::ReadWrite,
                file_page: 4,
                file_bytes: 0x10
            },
        ]
    );
}

#[test]
fn foreign_files_are_refused() {
    assert_eq!(parse(b""), Err(ElfError::NotElf));
    assert_eq!(parse(b"\0asm\x01\0\0\0"), Err(ElfError::NotElf));
    assert_eq!(changed(0, 0), ElfError::NotElf);
    assert_eq!(changed(4, 1), ElfError::WrongMachine);
    assert_eq!(changed(5, 2), ElfError::WrongMachine);
    assert_eq!(changed(18, 183), ElfError::WrongMachine);
    assert_eq!(changed(16, 3), ElfError::NotStatic);
    assert_eq!(changed(16, 1), ElfError::NotStatic);
}

#[test]
fn malformed_headers_are_refused() {
    assert_eq!(changed(54, 32), ElfError::BadHeaders);
    assert_eq!(changed(56, 3), ElfError::BadHeaders);
    assert_eq!(changed(57, 0xff), ElfError::BadHeaders);
    assert_eq!(changed(39, 0xff), ElfError::BadHeaders);
    assert_eq!(changed(34, 0xff), ElfError::BadHeaders);
    assert_eq!(refusal(&[]), ElfError::NoSegments);
    assert_eq!(refusal(&[Row { memory: 0, file: 0, ..CODE }]), ElfError::NoSegments);
    let many: Vec<Row> = (0..17).map(|at| Row { address: 0x20_0000 + at * 0x2000, ..CODE }).collect();
    assert_eq!(refusal(&many), ElfError::TooManySegments);
}

#[test]
fn hostile_segments_are_refused() {
    let cases = [
        (Row { kind: 2, ..DATA }, ElfError::NeedsLoader),
        (Row { kind: 3, ..DATA }, ElfError::NeedsLoader),
        (Row { kind: 7, ..DATA }, ElfError::NeedsLoader),
        (Row { flags: 7, ..DATA }, ElfError::WritableAndExecutable),
        (Row { flags: 3, ..DATA }, ElfError::WritableAndExecutable),
        (Row { address: 0x20_3008, ..DATA }, ElfError::Unaligned),
        (Row { offset: 0x4001, ..DATA }, ElfError::Unaligned),
        (Row { file: 0x5001, ..DATA }, ElfError::OutsideFile),
        (Row { offset: 0x10000, ..DATA }, ElfError::OutsideFile),
        (Row { offset: 0xffff_ffff_ffff_f000, file: 0x1000, ..DATA }, ElfError::OutsideFile),
        (Row { memory: u64::MAX, ..DATA }, ElfError::OutsideWindow),
        (Row { address: 0x1f_f000, ..DATA }, ElfError::OutsideWindow),
        (Row { address: 0xffff_ffff_8000_0000, ..DATA }, ElfError::OutsideWindow),
        (Row { address: 0, ..DATA }, ElfError::OutsideWindow),
        (Row { memory: 0x1000_0000, ..DATA }, ElfError::OutsideWindow),
        (Row { flags: 4, ..DATA }, ElfError::ZerosInReadOnly),
        (Row { flags: 5, ..DATA }, ElfError::ZerosInReadOnly),
        (Row { address: 0x20_1000, ..DATA }, ElfError::Overlap),
        (CODE, ElfError::Overlap),
    ];
    for (at, (row, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(&[CODE, row]), expected, "case {at}");
    }
    assert_eq!(refusal(&[DATA, CODE]), ElfError::Overlap);
}

#[test]
fn the_entry_must_be_code() {
    assert_eq!(refusal(&[DATA]), ElfError::BadEntry);
    assert_eq!(changed(25, 0x18), ElfError::BadEntry);
    assert_eq!(changed(26, 0x10), ElfError::BadEntry);
    assert_eq!(changed(31, 0xff), ElfError::BadEntry);
}

#[test]
fn no_flipped_byte_breaks_the_invariant() {
    let whole = image(&[CODE, RODATA, DATA]);
    for at in (0..whole.len()).step_by(if cfg!(miri) { 13 } else { 1 }) {
        for bit in (0..8).step_by(if cfg!(miri) { 5 } else { 1 }) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let Ok(executable) = parse(&bytes) else { continue };
            let segments: Vec<Segment> = executable.segments().collect();
            assert!(segments.windows(2).all(|pair| pair[0].pages.end <= pair[1].pages.start));
            assert!(segments.iter().all(|segment| WINDOW.contains(&segment.pages)
                && segment.file_page * PAGE + segment.file_bytes <= FILE_BYTES
                && segment.file_bytes <= segment.pages.count() * PAGE));
        }
    }
}
