//! Writing: a root struct, then nested structs, texts, and bulk data last.
//!
//! Called by the generated `encode` functions, in that order. Everything is written in place, once.
//!
//! Invariant: what a [`Writer`] made is accepted by [`super::Head`]; bytes of the buffer outside the message stay as they are.

use super::{EncodeError, Shape, WORD, text_bytes};

/// Writes one message into a buffer.
pub struct Writer<'o> {
    out: &'o mut [u8],
    pointers: usize,
    end: usize,
}

impl<'o> Writer<'o> {
    /// Starts a message whose root struct has this shape, all zero.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn new(out: &'o mut [u8], shape: Shape) -> Result<Writer<'o>, EncodeError> {
        let end = WORD + shape.bytes();
        out.get_mut(..end).ok_or(EncodeError::BufferTooSmall)?.fill(0);
        let pointers = WORD + usize::from(shape.data_words) * WORD;
        let mut writer = Writer { out, pointers, end };
        writer.put(0, shape.root());
        Ok(writer)
    }

    /// Bytes written so far; at the end, the message's without its bulk data.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.end
    }

    #[inline]
    fn store(&mut self, at: usize, bytes: &[u8]) {
        if let Some(slot) = self.out.get_mut(at..at + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }

    #[inline]
    fn put(&mut self, at: usize, word: u64) {
        self.store(at, &word.to_le_bytes());
    }

    /// Writes a u8 at byte `offset` of the root's data section.
    #[inline]
    pub fn u8(&mut self, offset: usize, value: u8) {
        self.store(WORD + offset, &[value]);
    }

    /// Writes a u16 at byte `offset`.
    #[inline]
    pub fn u16(&mut self, offset: usize, value: u16) {
        self.store(WORD + offset, &value.to_le_bytes());
    }

    /// Writes a u32 at byte `offset`.
    #[inline]
    pub fn u32(&mut self, offset: usize, value: u32) {
        self.store(WORD + offset, &value.to_le_bytes());
    }

    /// Writes a u64 at byte `offset`.
    #[inline]
    pub fn u64(&mut self, offset: usize, value: u64) {
        self.store(WORD + offset, &value.to_le_bytes());
    }

    /// Sets the bit at `offset`, in bits, if `value`.
    #[inline]
    pub fn bool(&mut self, offset: usize, value: bool) {
        if let Some(byte) = self.out.get_mut(WORD + offset / 8) {
            *byte |= u8::from(value) << (offset % 8);
        }
    }

    /// The low half of a pointer from pointer `index` to the end of what is written.
    #[inline]
    fn offset_to_end(&self, index: usize) -> u64 {
        let words = (self.end - self.pointers) / WORD - index - 1;
        (words as u64) << 2
    }

    /// Writes capability pointer `index`.
    #[inline]
    pub fn capability(&mut self, index: usize, capability: Option<u32>) {
        if let Some(transfer) = capability {
            self.put(self.pointers + index * WORD, 3 | u64::from(transfer) << 32);
        }
    }

    /// Appends a struct of scalars given as its data words, behind pointer `index`.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn nested<const WORDS: usize>(
        &mut self,
        index: usize,
        words: [u64; WORDS],
    ) -> Result<(), EncodeError> {
        let end = self.end + WORDS * WORD;
        if end > self.out.len() {
            return Err(EncodeError::BufferTooSmall);
        }
        let pointer = self.offset_to_end(index) | (WORDS as u64) << 32;
        self.put(self.pointers + index * WORD, pointer);
        for (place, word) in words.into_iter().enumerate() {
            self.put(self.end + place * WORD, word);
        }
        self.end = end;
        Ok(())
    }

    /// Appends a text behind pointer `index`.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn text(&mut self, index: usize, text: &str) -> Result<(), EncodeError> {
        if text.is_empty() {
            return Ok(());
        }
        let size = text_bytes(text);
        let slot = self.out.get_mut(self.end..).and_then(|rest| rest.get_mut(..size));
        let (body, tail) =
            slot.and_then(|slot| slot.split_at_mut_checked(text.len())).ok_or(EncodeError::BufferTooSmall)?;
        body.copy_from_slice(text.as_bytes());
        tail.fill(0);
        self.byte_list(index, text.len() + 1);
        self.end += size;
        Ok(())
    }

    #[inline]
    fn byte_list(&mut self, index: usize, length: usize) {
        let pointer = self.offset_to_end(index) | 1 | 2 << 32 | (length as u64) << 35;
        self.put(self.pointers + index * WORD, pointer);
    }

    /// Points pointer `index` to `length` bytes of bulk data that come right behind what is written. Call it last.
    #[inline]
    pub fn bulk(&mut self, index: usize, length: usize) {
        if length != 0 {
            self.byte_list(index, length);
        }
    }

    /// Copies the bulk data behind the head, pads it to whole words, and returns the message's bytes.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn finish(out: &mut [u8], head: usize, bulk: &[u8]) -> Result<usize, EncodeError> {
        let end = (head + bulk.len()).next_multiple_of(WORD);
        let slot = out.get_mut(head..end).ok_or(EncodeError::BufferTooSmall)?;
        let (body, tail) = slot.split_at_mut_checked(bulk.len()).ok_or(EncodeError::BufferTooSmall)?;
        body.copy_from_slice(bulk);
        tail.fill(0);
        Ok(end)
    }
}
