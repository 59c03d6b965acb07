//! A process's name: 1 to 64 bytes of UTF-8, owned.
//!
//! Called by process creation and by the log.
//!
//! Invariant: what is stored is a whole, non-empty string.

/// Bytes of a name at most.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// A name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl Name {
    /// Copies the name; `None` if it is empty or too long.
    pub(crate) fn new(name: &str) -> Option<Name> {
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        if name.is_empty() { None } else { Some(Name { bytes, length: name.len() as u8 }) }
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|name| str::from_utf8(name).ok()).unwrap_or("?")
    }
}
