//! Reading: one root struct, its pointers, and what they lead to.
//!
//! Called by the generated `decode` functions. [`Head`] is the message or its front part; [`Structure`] one struct in it.
//!
//! Invariant: a [`Structure`] lies wholly inside the head, so its scalars are read without refusal; fields behind the end
//! of an older sender's struct read as zero.

use core::ops::Range;

use super::{DecodeError, Shape, WORD};

const KIND_STRUCT: u64 = 0;
const KIND_LIST: u64 = 1;
const KIND_FAR: u64 = 2;
/// A capability pointer: kind 3 with every other bit of the low half zero.
const CAPABILITY: u32 = 3;
/// The element size "one byte" of a list pointer.
const ELEMENT_BYTE: u64 = 2;

/// The front part of a message; the rest, if any, is bulk data that is not looked at.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    bytes: &'a [u8],
    message_bytes: usize,
}

impl<'a> Head<'a> {
    /// `bytes` is the front part of a message of `message_bytes`; what is longer is ignored.
    ///
    /// # Errors
    /// [`DecodeError::NotWholeWords`].
    #[inline]
    pub fn new(bytes: &'a [u8], message_bytes: usize) -> Result<Head<'a>, DecodeError> {
        if !message_bytes.is_multiple_of(WORD) {
            return Err(DecodeError::NotWholeWords);
        }
        let bytes = bytes.get(..message_bytes).unwrap_or(bytes);
        Ok(Head { bytes, message_bytes })
    }

    /// The root struct; `None` for an empty message or a null root, which mean "every field has its default".
    ///
    /// # Errors
    /// Whatever is wrong with the root pointer.
    #[inline]
    pub fn root(self) -> Result<Option<Structure<'a>>, DecodeError> {
        if self.message_bytes == 0 { Ok(None) } else { self.structure(0) }
    }

    #[inline]
    fn word(self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(WORD)?)?;
        bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    #[inline]
    fn structure(self, at: usize) -> Result<Option<Structure<'a>>, DecodeError> {
        let pointer = self.word(at).ok_or(DecodeError::NotInHead)?;
        if pointer == 0 {
            return Ok(None);
        }
        expect_kind(pointer, KIND_STRUCT)?;
        let shape = Shape { data_words: (pointer >> 32) as u16, pointers: (pointer >> 48) as u16 };
        let range = self.target(at, pointer, shape.bytes())?;
        if range.end > self.bytes.len() {
            return Err(DecodeError::NotInHead);
        }
        Ok(Some(Structure { head: self, data: range.start, shape }))
    }

    /// The bytes that a struct or list pointer at `at` leads to.
    #[inline]
    fn target(self, at: usize, pointer: u64, length: usize) -> Result<Range<usize>, DecodeError> {
        let words = i64::from((pointer as u32).cast_signed() >> 2);
        let start = at as i64 + WORD as i64 + words * WORD as i64;
        let start = usize::try_from(start).map_err(|_| DecodeError::OutOfBounds)?;
        match start.checked_add(length) {
            Some(end) if end <= self.message_bytes => Ok(start..end),
            _ => Err(DecodeError::OutOfBounds),
        }
    }
}

#[inline]
fn expect_kind(pointer: u64, kind: u64) -> Result<(), DecodeError> {
    match pointer & 3 {
        found if found == kind => Ok(()),
        KIND_FAR => Err(DecodeError::FarPointer),
        _ => Err(DecodeError::WrongPointer),
    }
}

/// One struct of a message.
#[derive(Clone, Copy)]
pub struct Structure<'a> {
    head: Head<'a>,
    data: usize,
    shape: Shape,
}

impl<'a> Structure<'a> {
    /// The root of a message that is nothing but a root struct of this shape, as its own encoder writes it; `None` for every
    /// other message, which [`Head::root`] may still accept. With a constant shape every offset is a constant.
    #[inline(always)]
    #[must_use]
    pub fn whole(message: &'a [u8], shape: Shape) -> Option<Structure<'a>> {
        let bytes = message.get(..WORD + shape.bytes())?;
        let root = bytes.first_chunk().map(|word| u64::from_le_bytes(*word))?;
        let head = Head { bytes, message_bytes: bytes.len() };
        (bytes.len() == message.len() && root == shape.root()).then_some(Structure {
            head,
            data: WORD,
            shape,
        })
    }

    #[inline]
    fn scalar<const BYTES: usize>(&self, offset: usize) -> [u8; BYTES] {
        if offset + BYTES > usize::from(self.shape.data_words) * WORD {
            return [0; BYTES];
        }
        let at = self.data + offset;
        match self.head.bytes.get(at..at + BYTES).and_then(<[u8]>::first_chunk) {
            Some(bytes) => *bytes,
            None => [0; BYTES],
        }
    }

    /// The u8 at byte `offset` of the data section.
    #[inline]
    #[must_use]
    pub fn u8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.scalar(offset))
    }

    /// The u16 at byte `offset`.
    #[inline]
    #[must_use]
    pub fn u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.scalar(offset))
    }

    /// The u32 at byte `offset`.
    #[inline]
    #[must_use]
    pub fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.scalar(offset))
    }

    /// The u64 at byte `offset`.
    #[inline]
    #[must_use]
    pub fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.scalar(offset))
    }

    /// The bit at `offset`, in bits.
    #[inline]
    #[must_use]
    pub fn bool(&self, offset: usize) -> bool {
        self.u8(offset / 8) >> (offset % 8) & 1 == 1
    }

    /// The word of pointer `index`; `None` where there is none or it is null.
    #[inline]
    fn pointer(&self, index: usize) -> Option<(usize, u64)> {
        if index >= usize::from(self.shape.pointers) {
            return None;
        }
        let at = self.data + (usize::from(self.shape.data_words) + index) * WORD;
        self.head.word(at).filter(|pointer| *pointer != 0).map(|pointer| (at, pointer))
    }

    /// Where the data of pointer `index` lies in the message; it may lie behind the head. Empty if absent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a list of bytes inside the message.
    #[inline]
    pub fn bulk(&self, index: usize) -> Result<Range<usize>, DecodeError> {
        let Some((at, pointer)) = self.pointer(index) else {
            return Ok(0..0);
        };
        expect_kind(pointer, KIND_LIST)?;
        if pointer >> 32 & 7 != ELEMENT_BYTE {
            return Err(DecodeError::WrongPointer);
        }
        self.head.target(at, pointer, (pointer >> 35) as usize)
    }

    /// The text of pointer `index`; empty if absent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but NUL-terminated UTF-8 in the head.
    #[inline]
    pub fn text(&self, index: usize) -> Result<&'a str, DecodeError> {
        if self.pointer(index).is_none() {
            return Ok("");
        }
        let bytes = self.head.bytes.get(self.bulk(index)?).ok_or(DecodeError::NotInHead)?;
        let (last, text) = bytes.split_last().ok_or(DecodeError::BadText)?;
        if *last != 0 {
            return Err(DecodeError::BadText);
        }
        core::str::from_utf8(text).map_err(|_| DecodeError::BadText)
    }

    /// The index, in the message's transfer list, that capability pointer `index` holds.
    ///
    /// # Errors
    /// [`DecodeError::WrongPointer`] or [`DecodeError::FarPointer`] for a pointer of another kind.
    #[inline]
    pub fn capability(&self, index: usize) -> Result<Option<u32>, DecodeError> {
        let Some((_, pointer)) = self.pointer(index) else {
            return Ok(None);
        };
        expect_kind(pointer, u64::from(CAPABILITY))?;
        if pointer as u32 == CAPABILITY {
            Ok(Some((pointer >> 32) as u32))
        } else {
            Err(DecodeError::WrongPointer)
        }
    }

    /// The struct that pointer `index` leads to; `None` if absent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a struct in the head.
    #[inline]
    pub fn nested(&self, index: usize) -> Result<Option<Structure<'a>>, DecodeError> {
        match self.pointer(index) {
            Some((at, _)) => self.head.structure(at),
            None => Ok(None),
        }
    }
}
