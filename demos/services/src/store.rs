//! One client's keys and values.
//!
//! Owned by `service`; pure.
//!
//! Invariant: keys are distinct, and a store never has more than [`KEYS_MAX`].

use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::error::Exception;
use capos_rt::schema::key_value_store::KeyValueStorePutStatus;

/// Bytes of a key at most.
pub const KEY_BYTES_MAX: usize = 32;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 256;
/// Keys of a store at most.
pub const KEYS_MAX: usize = 64;

/// Keys with their values.
#[derive(Default)]
pub struct Store {
    entries: Vec<(String, Vec<u8>)>,
}

impl Store {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_slice())
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// "invalid argument" for a key or a value of the wrong length; "overloaded" without memory.
    pub fn put(&mut self, key: &str, value: &[u8]) -> Result<KeyValueStorePutStatus, Exception> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Exception::InvalidArgument);
        }
        let name = owned(key)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(value.len()).map_err(|_| Exception::Overloaded)?;
        bytes.extend_from_slice(value);
        if let Some((_, old)) = self.entries.iter_mut().find(|(name, _)| name == key) {
            *old = bytes;
        } else if self.entries.len() == KEYS_MAX {
            return Ok(KeyValueStorePutStatus::Full);
        } else {
            self.entries.try_reserve(1).map_err(|_| Exception::Overloaded)?;
            self.entries.push((name, bytes));
        }
        Ok(KeyValueStorePutStatus::Stored)
    }

    /// Removes a key; false if there was none.
    pub fn remove(&mut self, key: &str) -> bool {
        let place = self.entries.iter().position(|(name, _)| name == key);
        place.map(|place| self.entries.swap_remove(place)).is_some()
    }

    /// The number of keys.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.entries.len() as u32
    }
}

/// A name of the service's own.
///
/// # Errors
/// "invalid argument" for one of the wrong length; "overloaded" without memory.
pub fn owned(name: &str) -> Result<String, Exception> {
    if name.is_empty() || name.len() > KEY_BYTES_MAX {
        return Err(Exception::InvalidArgument);
    }
    let mut text = String::new();
    text.try_reserve_exact(name.len()).map_err(|_| Exception::Overloaded)?;
    text.push_str(name);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_changed_and_removed() {
        let mut store = Store::default();
        assert_eq!(store.get("a"), None);
        assert_eq!(store.put("a", b"1"), Ok(KeyValueStorePutStatus::Stored));
        assert_eq!(store.put("a", b""), Ok(KeyValueStorePutStatus::Stored));
        assert_eq!((store.get("a"), store.count()), (Some(&b""[..]), 1));
        assert!(store.remove("a") && !store.remove("a"));
        assert_eq!(store.count(), 0);
    }

    #[test]
    fn lengths_and_numbers_are_bounded() {
        let mut store = Store::default();
        assert_eq!(store.put("", b"1"), Err(Exception::InvalidArgument));
        assert_eq!(store.put(&"k".repeat(KEY_BYTES_MAX + 1), b"1"), Err(Exception::InvalidArgument));
        assert_eq!(store.put("a", &[0; VALUE_BYTES_MAX + 1]), Err(Exception::InvalidArgument));
        for index in 0..KEYS_MAX {
            let key = alloc::format!("{index}");
            assert_eq!(store.put(&key, &[0; VALUE_BYTES_MAX]), Ok(KeyValueStorePutStatus::Stored));
        }
        assert_eq!(store.put("one more", b"1"), Ok(KeyValueStorePutStatus::Full));
        assert_eq!(store.put("0", b"1"), Ok(KeyValueStorePutStatus::Stored));
        assert_eq!(store.count(), KEYS_MAX as u32);
    }
}
