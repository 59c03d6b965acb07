//! ELF images: which ones are accepted, and what is to be mapped where.
//!
//! Reads the first page of an image and nothing else, so that accepting or refusing is a bounded amount of work for any
//! input. Called by the kernel when a process is created (the pages themselves are fetched
//! at the first touch), and on the host for the programs that a manifest names.
//!
//! Invariant: the segments of an [`Executable`] are page-aligned, sorted, inside the caller's window and the file, do not
//! share a page, and none is both writable and executable.

use crate::pages::Pages;

/// Bytes of the image that are looked at: header and program headers must lie in the first page.
pub const HEAD_BYTES: usize = PAGE as usize;
/// Pages that the segments of a program may take: from 2 MiB on.
pub const PROGRAM_WINDOW: Pages = Pages { start: 0x200, end: 0x3_0000 };
/// Loadable segments at most.
pub const SEGMENTS_MAX: usize = 16;

const PAGE: u64 = 4096;
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;

/// What may be done with a segment's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    Execute,
}

/// A loadable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The pages it takes.
    pub pages: Pages,
    /// What may be done with them.
    pub access: Access,
    /// The page of the file with its first byte.
    pub file_page: u64,
    /// Bytes that come from the file; the rest is zero.
    pub file_bytes: u64,
}

/// An accepted image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executable {
    /// The address of the first instruction.
    pub entry: u64,
    segments: [Option<Segment>; SEGMENTS_MAX],
}

/// Why an image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// It does not start with an ELF header.
    NotElf,
    /// Not 64-bit little-endian x86_64.
    WrongMachine,
    /// Not a static executable (it is an object file, a library, or position-independent).
    NotStatic,
    /// It wants a dynamic linker or thread-local storage.
    NeedsLoader,
    /// The program headers are malformed or do not lie in the first page.
    BadHeaders,
    /// More than [`SEGMENTS_MAX`] loadable segments.
    TooManySegments,
    /// No loadable segment.
    NoSegments,
    /// A segment is writable and executable.
    WritableAndExecutable,
    /// A segment does not start on a page, in memory or in the file.
    Unaligned,
    /// A segment does not lie in the file, or is larger there than in memory.
    OutsideFile,
    /// A segment does not lie in the addresses that programs may have.
    OutsideWindow,
    /// A segment that is not writable is larger in memory than in the file.
    ZerosInReadOnly,
    /// Two segments share a page, or are not in ascending order.
    Overlap,
    /// The first instruction is not in an executable segment.
    BadEntry,
}

impl ElfError {
    /// The words used in the kernel's log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            ElfError::NotElf => "not an ELF image",
            ElfError::WrongMachine => "not a 64-bit little-endian x86_64 image",
            ElfError::NotStatic => "not a static executable with fixed addresses",
            ElfError::NeedsLoader => "it needs a dynamic linker or thread-local storage",
            ElfError::BadHeaders => "its program headers are malformed or not in the first page",
            ElfError::TooManySegments => "it has more than 16 loadable segments",
            ElfError::NoSegments => "it has no loadable segment",
            ElfError::WritableAndExecutable => "a segment is writable and executable",
            ElfError::Unaligned => "a segment does not start on a page boundary",
            ElfError::OutsideFile => "a segment does not lie in the file",
            ElfError::OutsideWindow => "a segment lies outside the addresses of programs",
            ElfError::ZerosInReadOnly => "a read-only segment is larger in memory than in the file",
            ElfError::Overlap => "two segments share a page or are not in ascending order",
            ElfError::BadEntry => "its entry point is not in an executable segment",
        }
    }
}

impl Executable {
    /// Reads and checks the headers. `head` is the start of the image, [`HEAD_BYTES`] or the whole of a shorter one;
    /// `file_bytes` is the size of all of it; `window` the pages that segments may take.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(head: &[u8], file_bytes: u64, window: Pages) -> Result<Executable, ElfError> {
        let header = head.first_chunk::<HEADER_BYTES>().ok_or(ElfError::NotElf)?;
        check_identity(header)?;
        let offset = word64(header, 32);
        let count = usize::from(word16(header, 56));
        if usize::from(word16(header, 54)) != PROGRAM_HEADER_BYTES {
            return Err(ElfError::BadHeaders);
        }
        let table = usize::try_from(offset)
            .ok()
            .and_then(|start| head.get(start..start.checked_add(count * PROGRAM_HEADER_BYTES)?))
            .ok_or(ElfError::BadHeaders)?;
        let mut executable = Executable { entry: word64(header, 24), segments: [None; SEGMENTS_MAX] };
        let mut found = 0;
        for row in table.chunks_exact(PROGRAM_HEADER_BYTES) {
            let Some(segment) = read_segment(row, file_bytes, window)? else { continue };
            executable.check_order(found, &segment)?;
            *executable.segments.get_mut(found).ok_or(ElfError::TooManySegments)? = Some(segment);
            found += 1;
        }
        if found == 0 {
            return Err(ElfError::NoSegments);
        }
        if !executable.has_code_at(executable.entry) {
            return Err(ElfError::BadEntry);
        }
        Ok(executable)
    }

    /// The segments, by address.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        self.segments.into_iter().flatten()
    }

    fn check_order(&self, found: usize, segment: &Segment) -> Result<(), ElfError> {
        match found.checked_sub(1).and_then(|last| self.segments.get(last).copied().flatten()) {
            Some(last) if last.pages.end > segment.pages.start => Err(ElfError::Overlap),
            _ => Ok(()),
        }
    }

    fn has_code_at(&self, address: u64) -> bool {
        self.segments().any(|segment| {
            let start = segment.pages.start * PAGE;
            segment.access == Access::Execute && address >= start && address - start < segment.file_bytes
        })
    }
}

fn check_identity(header: &[u8; HEADER_BYTES]) -> Result<(), ElfError> {
    if header[..4] != *b"\x7fELF" {
        return Err(ElfError::NotElf);
    }
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const MACHINE_X86_64: u16 = 62;
    if header[4] != CLASS_64 || header[5] != LITTLE_ENDIAN || word16(header, 18) != MACHINE_X86_64 {
        return Err(ElfError::WrongMachine);
    }
    const TYPE_EXECUTABLE: u16 = 2;
    if word16(header, 16) == TYPE_EXECUTABLE { Ok(()) } else { Err(ElfError::NotStatic) }
}

fn read_segment(row: &[u8], file_bytes: u64, window: Pages) -> Result<Option<Segment>, ElfError> {
    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    const INTERPRETER: u32 = 3;
    const THREAD_LOCAL: u32 = 7;
    let row = row.first_chunk::<PROGRAM_HEADER_BYTES>().ok_or(ElfError::BadHeaders)?;
    let memory_bytes = word64(row, 40);
    match word32(row, 0) {
        LOAD if memory_bytes == 0 => return Ok(None),
        LOAD => {}
        DYNAMIC | INTERPRETER | THREAD_LOCAL => return Err(ElfError::NeedsLoader),
        _ => return Ok(None),
    }
    let access = access(word32(row, 4))?;
    let (offset, address, length) = (word64(row, 8), word64(row, 16), word64(row, 32));
    if !offset.is_multiple_of(PAGE) || !address.is_multiple_of(PAGE) {
        return Err(ElfError::Unaligned);
    }
    if length > memory_bytes || offset.checked_add(length).is_none_or(|end| end > file_bytes) {
        return Err(ElfError::OutsideFile);
    }
    if length < memory_bytes && access != Access::ReadWrite {
        return Err(ElfError::ZerosInReadOnly);
    }
    let pages =
        Pages::new(address / PAGE, memory_bytes.div_ceil(PAGE)).filter(|pages| window.contains(pages));
    let pages = pages.ok_or(ElfError::OutsideWindow)?;
    Ok(Some(Segment { pages, access, file_page: offset / PAGE, file_bytes: length }))
}

fn access(flags: u32) -> Result<Access, ElfError> {
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    match (flags & WRITE != 0, flags & EXECUTE != 0) {
        (true, true) => Err(ElfError::WritableAndExecutable),
        (true, false) => Ok(Access::ReadWrite),
        (false, true) => Ok(Access::Execute),
        (false, false) => Ok(Access::Read),
    }
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from(word16(bytes, at)) | u32::from(word16(bytes, at + 2)) << 16
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from(word32(bytes, at)) | u64::from(word32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
