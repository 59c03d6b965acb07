//! Takes out of an ELF file everything that is not loaded.
//!
//! Called by the build script: what ships has no symbols and no debug information, and no machine needs a strip
//! program for that. Works on 64-bit little-endian files whose loaded parts come first, as LLVM's linker writes them.
//!
//! Invariant: bytes that a program header covers are unchanged; sections that are loaded keep their names (the
//! kernel's loader looks for one), all others are gone.

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const SECTION_HEADER_BYTES: usize = 64;
const SECTION_ALLOCATED: u64 = 2;
const SECTION_TYPE_STRINGS: u32 = 3;

/// The stripped file; `None` if `file` is not an ELF file of the kind described above.
pub(crate) fn strip(file: &[u8]) -> Option<Vec<u8>> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let program_headers = word64(file, 32)? as usize;
    let section_headers = word64(file, 40)? as usize;
    let (program_count, section_count) = (word16(file, 56)?, word16(file, 60)?);
    let name_section = section_headers + word16(file, 62)? * SECTION_HEADER_BYTES;
    let names = word64(file, name_section + 24)? as usize;

    let mut end = HEADER_BYTES.max(program_headers + program_count * PROGRAM_HEADER_BYTES);
    for index in 0..program_count {
        let header = program_headers + index * PROGRAM_HEADER_BYTES;
        end = end.max((word64(file, header + 8)? + word64(file, header + 32)?) as usize);
    }
    let mut stripped = file.get(..end)?.to_vec();

    let mut sections = vec![0; SECTION_HEADER_BYTES];
    let mut strings = vec![0];
    for index in 1..section_count {
        let header = section_headers + index * SECTION_HEADER_BYTES;
        if word64(file, header + 8)? & SECTION_ALLOCATED == 0 {
            continue;
        }
        let name = file.get(names + word32(file, header)? as usize..)?;
        let name = &name[..name.iter().position(|byte| *byte == 0)?];
        let mut section = file.get(header..header + SECTION_HEADER_BYTES)?.to_vec();
        section[..4].copy_from_slice(&(strings.len() as u32).to_le_bytes());
        sections.extend(section);
        push_string(&mut strings, name);
    }
    let own_name = strings.len() as u32;
    push_string(&mut strings, b".shstrtab");
    let mut section = [0; SECTION_HEADER_BYTES];
    section[..4].copy_from_slice(&own_name.to_le_bytes());
    section[4..8].copy_from_slice(&SECTION_TYPE_STRINGS.to_le_bytes());
    section[24..32].copy_from_slice(&(stripped.len() as u64).to_le_bytes());
    section[32..40].copy_from_slice(&(strings.len() as u64).to_le_bytes());
    section[48..56].copy_from_slice(&1u64.to_le_bytes());
    sections.extend(section);

    stripped.extend(strings);
    stripped.resize(stripped.len().next_multiple_of(8), 0);
    let count = (sections.len() / SECTION_HEADER_BYTES) as u16;
    let at = stripped.len() as u64;
    stripped[40..48].copy_from_slice(&at.to_le_bytes());
    stripped[60..62].copy_from_slice(&count.to_le_bytes());
    stripped[62..64].copy_from_slice(&(count - 1).to_le_bytes());
    stripped.extend(sections);
    Some(stripped)
}

fn push_string(strings: &mut Vec<u8>, string: &[u8]) {
    strings.extend(string);
    strings.push(0);
}

fn word16(file: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(*file.get(at..)?.first_chunk()?)))
}

fn word32(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

fn word64(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_program_keeps_what_is_loaded() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&file).unwrap();
        assert!(stripped.len() < file.len());
        let headers = word64(&file, 32).unwrap() as usize;
        for index in 0..word16(&file, 56).unwrap() {
            let header = headers + index * PROGRAM_HEADER_BYTES;
            let start = word64(&file, header + 8).unwrap() as usize;
            let end = start + word64(&file, header + 32).unwrap() as usize;
            // The file header states where the sections are, and is in the first segment.
            assert_eq!(
                stripped[start.max(HEADER_BYTES)..end.max(64)],
                file[start.max(HEADER_BYTES)..end.max(64)]
            );
        }
        assert_eq!(strip(&stripped).unwrap(), stripped);
    }

    #[test]
    fn loaded_sections_keep_their_names() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&file).unwrap();
        let text = String::from_utf8_lossy(&stripped[stripped.len() - 8192..]).into_owned();
        assert!(text.contains(".rodata") && text.contains(".shstrtab"));
        assert!(!text.contains(".symtab") && !text.contains(".debug_info"));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(strip(b"\x7fELF\x01\x01"), None);
        assert_eq!(strip(&[]), None);
        assert_eq!(strip(b"\x7fELF\x02\x01 and then too short"), None);
    }
}
