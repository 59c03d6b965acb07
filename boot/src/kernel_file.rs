//! The kernel's file: its segments, its entry and what it wants mapped where.
//!
//! Called by [`crate::start`] with the contents of the part "kernel", whose checksum was right.
//!
//! Invariant: segments that [`KernelFile::segments`] gives lie in the file, start on pages there and in memory, are in the
//! last 2 GiB of the address space, and none is both writable and executable.

use bootloader_api::BootloaderConfig;

const PAGE: u64 = 4096;
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const SECTION_HEADER_BYTES: usize = 64;
/// 64-bit, little-endian.
const IDENTITY: &[u8] = b"\x7fELF\x02\x01";
/// A static executable for x86_64.
const TYPE_AND_MACHINE: u64 = 2 | 62 << 16;
const LOAD: u64 = 1;
const EXECUTE: u64 = 1;
const WRITE: u64 = 2;
/// The lowest address of a segment.
const LOWEST: u64 = 0xffff_ffff_8000_0000;
/// The section in which `bootloader_api::entry_point` leaves the kernel's wishes.
const CONFIG: &[u8] = b".bootloader-config\0";

/// What may be done with a segment's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    Execute,
}

/// A part of the kernel that is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The virtual address.
    pub(crate) address: u64,
    /// Bytes in memory; those past the contents are zero.
    pub(crate) memory_bytes: u64,
    pub(crate) contents: &'static [u8],
    pub(crate) access: Access,
}

/// The kernel's file. An error says what is wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct KernelFile {
    file: &'static [u8],
    pub(crate) entry: u64,
}

impl KernelFile {
    pub(crate) fn read(file: &'static [u8]) -> Result<KernelFile, &'static str> {
        if file.len() < HEADER_BYTES || !file.starts_with(IDENTITY) {
            return Err("not a 64-bit ELF file");
        }
        if number(file, 16, 4) != Some(TYPE_AND_MACHINE) {
            return Err("not a static executable for x86_64");
        }
        let entry = number(file, 24, 8).ok_or("too short")?;
        let kernel = KernelFile { file, entry };
        let mut has_entry = false;
        for segment in kernel.segments() {
            let segment = segment?;
            let inside = entry.checked_sub(segment.address);
            let is_there = inside.is_some_and(|inside| inside < segment.contents.len() as u64);
            has_entry |= is_there && segment.access == Access::Execute;
        }
        if has_entry { Ok(kernel) } else { Err("its entry is not in an executable segment") }
    }

    /// The segments, in the order of the file.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Result<Segment, &'static str>> + use<> {
        let kernel = *self;
        let headers = kernel.rows(32, 54, PROGRAM_HEADER_BYTES);
        headers.filter(|header| number(header, 0, 4) == Some(LOAD)).map(move |header| kernel.segment(header))
    }

    fn segment(&self, header: &[u8]) -> Result<Segment, &'static str> {
        let field = |at| number(header, at, 8).ok_or("a program header is cut off");
        let (offset, address, bytes, memory_bytes) = (field(8)?, field(16)?, field(32)?, field(40)?);
        let flags = number(header, 4, 4).unwrap_or(0);
        let access = match (flags & WRITE != 0, flags & EXECUTE != 0) {
            (true, true) => return Err("a segment is writable and executable"),
            (true, false) => Access::ReadWrite,
            (false, true) => Access::Execute,
            (false, false) => Access::Read,
        };
        if offset % PAGE != 0 || address % PAGE != 0 {
            return Err("a segment does not start on a page");
        }
        let contents = usize::try_from(offset).ok().zip(offset.checked_add(bytes));
        let contents = contents.and_then(|(start, end)| self.file.get(start..usize::try_from(end).ok()?));
        let contents = contents.ok_or("a segment is not whole")?;
        if memory_bytes == 0 || memory_bytes < bytes || (memory_bytes > bytes && access != Access::ReadWrite)
        {
            return Err("a segment has a wrong size");
        }
        if address < LOWEST || address.checked_add(memory_bytes).is_none_or(|end| end > PAGE.wrapping_neg()) {
            return Err("a segment is not in the last 2 GiB");
        }
        Ok(Segment { address, memory_bytes, contents, access })
    }

    /// What the kernel wants mapped where.
    pub(crate) fn config(&self) -> Result<BootloaderConfig, &'static str> {
        let missing = "it does not say what it wants mapped: the section .bootloader-config is missing";
        let names =
            self.rows(40, 58, SECTION_HEADER_BYTES).nth(number(self.file, 62, 2).unwrap_or(0) as usize);
        let names = names.and_then(|header| number(header, 24, 8)).ok_or(missing)?;
        let has_name = |header: &&[u8]| {
            let name = number(header, 0, 4).and_then(|name| usize::try_from(names.checked_add(name)?).ok());
            name.and_then(|name| self.file.get(name..)).is_some_and(|name| name.starts_with(CONFIG))
        };
        let header = self.rows(40, 58, SECTION_HEADER_BYTES).find(has_name).ok_or(missing)?;
        let (start, bytes) = number(header, 24, 8).zip(number(header, 32, 8)).ok_or(missing)?;
        let contents = start.checked_add(bytes).and_then(|end| self.file.get(start as usize..end as usize));
        BootloaderConfig::deserialize(contents.ok_or(missing)?)
    }

    /// The rows of the table whose offset and row size are at these places of the header; the count is behind the size.
    fn rows(
        &self,
        offset_at: usize,
        size_at: usize,
        size: usize,
    ) -> impl Iterator<Item = &'static [u8]> + use<> {
        let file = self.file;
        let is_known = number(file, size_at, 2) == Some(size as u64);
        let count = number(file, size_at + 2, 2).filter(|_| is_known).unwrap_or(0) as usize;
        let table = number(file, offset_at, 8).and_then(|offset| file.get(usize::try_from(offset).ok()?..));
        table.unwrap_or(&[]).chunks_exact(size).take(count)
    }
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
