//! The wire format of a message, as far as the interfaces need it.
//!
//! Called by the generated codecs alone. One Cap'n Proto segment, root pointer at word 0; structs of scalars, with text,
//! data, capability pointers and nested structs of scalars. Reading looks at a fixed number of pointers per message, never
//! loops over foreign data and never recurses; writing puts bulk data last, so that a message is a head and its bytes.
//!
//! Invariant: no input makes anything here panic, allocate or read outside the message.

mod reader;
mod writer;

pub use reader::{Head, Structure};
pub use writer::Writer;

/// Bytes of a Cap'n Proto word.
pub(crate) const WORD: usize = 8;

/// The sections of a struct, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Words of the data section.
    pub data_words: u16,
    /// Words of the pointer section.
    pub pointers: u16,
}

impl Shape {
    /// Bytes of both sections.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.data_words as usize + self.pointers as usize) * WORD
    }

    /// The root pointer of a message whose root struct comes right behind it.
    #[must_use]
    pub const fn root(self) -> u64 {
        (self.data_words as u64) << 32 | (self.pointers as u64) << 48
    }
}

/// Bytes that a text takes in a message: with its NUL, in whole words; nothing if it is empty.
#[must_use]
pub const fn text_bytes(text: &str) -> usize {
    if text.is_empty() { 0 } else { (text.len() + 1).next_multiple_of(WORD) }
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The message is not a number of whole words.
    NotWholeWords,
    /// A pointer leads outside the message.
    OutOfBounds,
    /// A pointer leads behind the part of the message that is at hand: only bulk data may lie there.
    NotInHead,
    /// A far pointer: the message would have more than one segment.
    FarPointer,
    /// A pointer of another kind than the schema says.
    WrongPointer,
    /// A text without its NUL, or not UTF-8.
    BadText,
    /// A number that the enum does not have.
    UnknownEnumerant,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            DecodeError::NotWholeWords => "the message is not a number of whole words",
            DecodeError::OutOfBounds => "a pointer leads outside the message",
            DecodeError::NotInHead => "a structure lies behind the bulk data",
            DecodeError::FarPointer => "the message has a far pointer",
            DecodeError::WrongPointer => "a pointer is of another kind than the schema says",
            DecodeError::BadText => "a text is not NUL-terminated UTF-8",
            DecodeError::UnknownEnumerant => "a number is not in its enum",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is smaller than the message.
    BufferTooSmall,
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("the buffer is smaller than the message")
    }
}

impl core::error::Error for EncodeError {}
