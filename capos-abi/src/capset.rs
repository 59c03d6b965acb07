//! The CapSet page: what a process starts with.
//!
//! One read-only page that the kernel writes before the process runs and never again. `capos-rt` looks capabilities up
//! by name and interface; nothing else is inherited.
//!
//! Layout, little-endian: a 16-byte header {magic u32, version u16, count u16, reserved u64}, then `count` entries of 64
//! bytes {name [u8; 40] padded with zeros, handle u32, reserved u32, interface id u64, method mask u64}.
//!
//! Invariant: a page that decodes has distinct, non-empty UTF-8 names and zero padding.

use crate::handle::Handle;

/// "CAPS" as a little-endian word.
pub const MAGIC: u32 = u32::from_le_bytes(*b"CAPS");
/// The layout described above.
pub const VERSION: u16 = 1;
/// Bytes of the page.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 64;
/// Bytes of a name at most; longer ones are refused, never cut.
pub const NAME_BYTES_MAX: usize = 40;
/// Entries that fit in the page.
pub const ENTRIES_MAX: usize = (PAGE_BYTES - HEADER_BYTES) / ENTRY_BYTES;

/// One capability that the process holds from its first instruction on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name by which the program asks for it.
    pub name: &'a str,
    /// Its place in the process's table.
    pub handle: Handle,
    /// The interface id of the object.
    pub interface: u64,
    /// The methods that the holder may call, bit n for method n.
    pub methods: u64,
}

/// Why a page or an entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapSetError {
    /// Not a CapSet page of this version.
    NotACapSet,
    /// The count or an entry is out of range.
    Malformed,
    /// The name is empty, too long or holds a NUL.
    BadName,
    /// The name is already there.
    DuplicateName,
    /// The page is full.
    Full,
}

/// True for a name that an entry can carry.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.bytes().any(|byte| byte == 0)
}

/// Writes an empty CapSet into the page.
pub fn initialize(page: &mut [u8; PAGE_BYTES]) {
    page.fill(0);
    page[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    page[4..6].copy_from_slice(&VERSION.to_le_bytes());
}

/// Appends an entry to an initialized page.
///
/// # Errors
/// [`CapSetError::BadName`], [`CapSetError::DuplicateName`], [`CapSetError::Full`]; the page is then unchanged.
pub fn append(page: &mut [u8; PAGE_BYTES], entry: &Entry<'_>) -> Result<(), CapSetError> {
    if !is_valid_name(entry.name) {
        return Err(CapSetError::BadName);
    }
    if find(page, entry.name)?.is_some() {
        return Err(CapSetError::DuplicateName);
    }
    let count = count(page)?;
    if count >= ENTRIES_MAX {
        return Err(CapSetError::Full);
    }
    let at = HEADER_BYTES + count * ENTRY_BYTES;
    page[at..at + entry.name.len()].copy_from_slice(entry.name.as_bytes());
    page[at + 40..at + 44].copy_from_slice(&entry.handle.0.to_le_bytes());
    page[at + 48..at + 56].copy_from_slice(&entry.interface.to_le_bytes());
    page[at + 56..at + 64].copy_from_slice(&entry.methods.to_le_bytes());
    page[6..8].copy_from_slice(&(count as u16 + 1).to_le_bytes());
    Ok(())
}

/// The number of entries.
///
/// # Errors
/// [`CapSetError::NotACapSet`] or [`CapSetError::Malformed`].
pub fn count(page: &[u8; PAGE_BYTES]) -> Result<usize, CapSetError> {
    if u32::from_le_bytes([page[0], page[1], page[2], page[3]]) != MAGIC
        || u16::from_le_bytes([page[4], page[5]]) != VERSION
    {
        return Err(CapSetError::NotACapSet);
    }
    let count = usize::from(u16::from_le_bytes([page[6], page[7]]));
    if count > ENTRIES_MAX { Err(CapSetError::Malformed) } else { Ok(count) }
}

/// The entry at `index`.
///
/// # Errors
/// [`CapSetError::Malformed`] past the end or for an entry that cannot be read.
pub fn entry(page: &[u8; PAGE_BYTES], index: usize) -> Result<Entry<'_>, CapSetError> {
    if index >= count(page)? {
        return Err(CapSetError::Malformed);
    }
    let at = HEADER_BYTES + index * ENTRY_BYTES;
    let name = &page[at..at + NAME_BYTES_MAX];
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
    let name = core::str::from_utf8(&name[..length]).map_err(|_| CapSetError::Malformed)?;
    let word = |offset: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&page[at + offset..at + offset + 8]);
        u64::from_le_bytes(bytes)
    };
    Ok(Entry { name, handle: Handle(word(40) as u32), interface: word(48), methods: word(56) })
}

/// The entry with this name, if there is one.
///
/// # Errors
/// [`CapSetError::NotACapSet`] or [`CapSetError::Malformed`].
pub fn find<'a>(page: &'a [u8; PAGE_BYTES], name: &str) -> Result<Option<Entry<'a>>, CapSetError> {
    for index in 0..count(page)? {
        let entry = entry(page, index)?;
        if entry.name == name {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Entry<'_> {
        Entry { name, handle: Handle::new(3, 1), interface: 0xdead_beef, methods: 0b101 }
    }

    #[test]
    fn appended_entries_are_found() {
        let mut page = [0; PAGE_BYTES];
        initialize(&mut page);
        append(&mut page, &sample("stdout")).unwrap();
        append(&mut page, &sample("timer")).unwrap();
        assert_eq!(find(&page, "timer").unwrap(), Some(sample("timer")));
        assert_eq!(find(&page, "time").unwrap(), None);
        assert_eq!(append(&mut page, &sample("timer")), Err(CapSetError::DuplicateName));
    }

    #[test]
    fn names_are_never_cut() {
        let mut page = [0; PAGE_BYTES];
        initialize(&mut page);
        let longest = "abcdefghijabcdefghijabcdefghijabcdefghij";
        append(&mut page, &sample(longest)).unwrap();
        assert_eq!(find(&page, longest).unwrap().unwrap().name, longest);
        assert_eq!(
            append(&mut page, &sample("abcdefghijabcdefghijabcdefghijabcdefghijk")),
            Err(CapSetError::BadName)
        );
        assert_eq!(append(&mut page, &sample("")), Err(CapSetError::BadName));
    }

    #[test]
    fn a_full_page_refuses() {
        let mut page = [0; PAGE_BYTES];
        initialize(&mut page);
        for index in 0..ENTRIES_MAX {
            append(&mut page, &sample(&std::format!("entry-{index}"))).unwrap();
        }
        assert_eq!(append(&mut page, &sample("one-more")), Err(CapSetError::Full));
    }

    #[test]
    fn foreign_pages_are_refused() {
        assert_eq!(find(&[0; PAGE_BYTES], "x"), Err(CapSetError::NotACapSet));
        let mut page = [0xff; PAGE_BYTES];
        page[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        page[4..6].copy_from_slice(&VERSION.to_le_bytes());
        assert_eq!(count(&page), Err(CapSetError::Malformed));
    }
}
