//! The values of a document that JSON has no type for: sizes, texts of any bytes, maps with an order.
//!
//! Read by serde as parts of a document.
//!
//! Invariant: a text has the bytes that the manifest states, and a map the manifest's order.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};

/// A number of bytes, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// A number.
    Bytes(u64),
    /// A text such as `64MiB`.
    Text(String),
}

/// A text for the guest: bytes, most of the time UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged)]
enum TextForm {
    Text(String),
    Bytes {
        #[serde(rename = "$bytes")]
        hexadecimal: String,
    },
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        match TextForm::deserialize(deserializer)? {
            TextForm::Text(text) => Ok(Text(text.into_bytes())),
            TextForm::Bytes { hexadecimal } => {
                from_hexadecimal(&hexadecimal).map(Text).ok_or_else(|| D::Error::custom("not hexadecimal"))
            }
        }
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// A map in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<V>(pub Vec<(String, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Entries<V> {
        Entries(Vec::new())
    }
}

impl<V> Entries<V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Entries<V>, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
