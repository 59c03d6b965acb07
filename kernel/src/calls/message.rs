//! Parameters in, results out.
//!
//! A message lies in the message area (the common path: no page table is looked at) or anywhere in the process's memory.
//! Called by the objects with the codecs of `capos-schema`.
//!
//! Invariant: parameters are copied once and only then decoded; bulk data is copied where it goes, piece by piece.

use super::{Answer, Call, Origin};
use crate::kernel::Kernel;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA};
use capos_kernel_hal::PAGE_BYTES;
use capos_schema::wire::{DecodeError, EncodeError};

/// Bytes of a message with scalars only, in either direction: more than any interface has.
pub(crate) const SMALL: usize = 64;
/// Bytes of the part in front of bulk data, and of messages with one name.
pub(crate) const WITH_NAME: usize = 256;

/// Bytes of bulk data that one step of a long call makes: random ones take 20 instructions each.
pub(crate) const STEP_BYTES: usize = 1024;

/// The kernel's own copy of a message, or of its head.
pub(crate) struct Message<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Message<N> {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

/// A result whose bulk data is being written.
#[derive(Clone, Copy)]
pub(crate) struct Filling {
    pub(crate) origin: Origin,
    /// Where in the result the data begins.
    pub(crate) start: usize,
    /// Bytes of the data, and of those the ones that are written: whole steps.
    length: usize,
    done: usize,
}

impl Filling {
    /// Bytes of the whole result.
    pub(crate) const fn total(&self) -> usize {
        self.start + self.length.next_multiple_of(8)
    }
}

/// A message that the schema does not describe.
pub(crate) fn malformed(_: DecodeError) -> Transport {
    Transport::BadMessage
}

impl Kernel {
    /// Copies bytes of the parameter message, from `offset` on.
    ///
    /// # Errors
    /// "bad address", "out of memory".
    pub(crate) fn read_parameters(
        &mut self,
        origin: &Origin,
        offset: usize,
        bytes: &mut [u8],
    ) -> Result<(), Transport> {
        if bytes.is_empty() {
            return Ok(());
        }
        let start = origin.submission.address.checked_add(offset as u64).ok_or(Transport::BadAddress)?;
        if origin.submission.flags & FLAG_PARAMETERS_IN_AREA == 0 {
            return self.copy_from_user(origin.process, start, bytes);
        }
        let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
        if thread.ring.read_area(start, bytes) { Ok(()) } else { Err(Transport::BadAddress) }
    }

    /// The whole parameter message.
    ///
    /// # Errors
    /// "too large" for more than `N` bytes, "bad address", "out of memory".
    pub(crate) fn parameters<const N: usize>(&mut self, call: &Call<'_>) -> Result<Message<N>, Transport> {
        let message = self.parameters_head(call.origin)?;
        let is_whole = call.origin.submission.length as usize <= N;
        if is_whole { Ok(message) } else { Err(Transport::TooLarge) }
    }

    /// Up to `N` bytes of the start of the parameter message.
    ///
    /// # Errors
    /// "bad address", "out of memory".
    pub(crate) fn parameters_head<const N: usize>(
        &mut self,
        origin: &Origin,
    ) -> Result<Message<N>, Transport> {
        let mut message = Message { bytes: [0; N], length: N.min(origin.submission.length as usize) };
        if let Some(bytes) = message.bytes.get_mut(..message.length) {
            self.read_parameters(origin, 0, bytes)?;
        }
        Ok(message)
    }

    /// Makes sure that a result of `bytes` will find its place.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn prepare_result(&mut self, origin: &Origin, bytes: usize) -> Result<(), Transport> {
        let submission = &origin.submission;
        if bytes > submission.result_capacity as usize {
            return Err(Transport::TooLarge);
        }
        if submission.flags & FLAG_RESULT_IN_AREA != 0 {
            return Ok(());
        }
        self.ensure_writable(origin.process, submission.result_address, bytes)
    }

    /// Copies bytes into the result buffer, at `offset`.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn write_result(
        &mut self,
        origin: &Origin,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), Transport> {
        let submission = &origin.submission;
        if bytes.is_empty() {
            return Ok(());
        }
        if offset + bytes.len() > submission.result_capacity as usize {
            return Err(Transport::TooLarge);
        }
        let start = submission.result_address.checked_add(offset as u64).ok_or(Transport::BadAddress)?;
        if submission.flags & FLAG_RESULT_IN_AREA == 0 {
            return self.copy_to_user(origin.process, start, bytes);
        }
        let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
        if thread.ring.write_area(start, bytes) { Ok(()) } else { Err(Transport::BadAddress) }
    }

    /// Writes a result without bulk data.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn reply(
        &mut self,
        origin: &Origin,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<Answer, CallError> {
        let mut bytes = [0; SMALL];
        let length = encode(&mut bytes).map_err(|_| Transport::TooLarge)?;
        let bytes = bytes.get(..length).ok_or(Transport::TooLarge)?;
        self.write_result(origin, 0, bytes)?;
        Ok(Answer::reply(length))
    }

    /// Writes a result of whole words, which in the message area takes no look at page tables.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn reply_words<const N: usize>(
        &mut self,
        origin: &Origin,
        words: &[u64; N],
    ) -> Result<Answer, CallError> {
        self.write_result_words(origin, words)?;
        Ok(Answer::reply(size_of_val(words)))
    }

    /// Writes whole words at the front of the result buffer.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn write_result_words<const N: usize>(
        &mut self,
        origin: &Origin,
        words: &[u64; N],
    ) -> Result<(), Transport> {
        let submission = &origin.submission;
        let length = size_of_val(words);
        let is_in_area = submission.flags & FLAG_RESULT_IN_AREA != 0;
        let is_written = is_in_area
            && length <= submission.result_capacity as usize
            && self
                .threads
                .get(origin.thread)
                .is_some_and(|thread| thread.ring.write_area_words(submission.result_address, words));
        if !is_written {
            self.write_result(origin, 0, words.map(u64::to_le_bytes).as_flattened())?;
        }
        Ok(())
    }

    /// Writes a result that ends in `length` bytes of bulk data: first the head, then what `fill` makes for each portion
    /// of at most a page, told where in the data it lies.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory", and those of `fill`.
    pub(crate) fn reply_with_data(
        &mut self,
        origin: &Origin,
        length: usize,
        encode_head: impl FnOnce(usize, &mut [u8]) -> Result<usize, EncodeError>,
        mut fill: impl FnMut(&mut Kernel, usize, &mut [u8]) -> Result<(), CallError>,
    ) -> Result<Answer, CallError> {
        let filling = self.begin_data(origin, length, encode_head)?;
        if length <= WITH_NAME {
            self.fill_result::<WITH_NAME>(origin, filling.start, length, &mut fill)?;
        } else {
            self.fill_result::<PAGE_BYTES>(origin, filling.start, length, &mut fill)?;
        }
        Ok(Answer::reply(filling.total()))
    }

    /// Writes the head of a result that ends in `length` bytes of bulk data, for which there is room.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn begin_data(
        &mut self,
        origin: &Origin,
        length: usize,
        encode_head: impl FnOnce(usize, &mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<Filling, CallError> {
        let mut head = [0; SMALL];
        let start = encode_head(length, &mut head).map_err(|_| Transport::TooLarge)?;
        let filling = Filling { origin: *origin, start, length, done: 0 };
        self.prepare_result(origin, filling.total())?;
        self.write_result(origin, 0, head.get(..start).unwrap_or(&[]))?;
        Ok(filling)
    }

    /// Writes the next step of bulk data, made by `fill`. If that was not the last one, the rest is kept in the thread.
    ///
    /// # Errors
    /// "bad address", "out of memory", and those of `fill`.
    pub(crate) fn fill_step(
        &mut self,
        mut filling: Filling,
        mut fill: impl FnMut(&mut Kernel, usize, &mut [u8]) -> Result<(), CallError>,
    ) -> Result<Answer, CallError> {
        let size = STEP_BYTES.min(filling.length - filling.done);
        self.fill_result::<STEP_BYTES>(&filling.origin, filling.start + filling.done, size, &mut fill)?;
        filling.done += size;
        if filling.done == filling.length {
            return Ok(Answer::reply(filling.total()));
        }
        let thread = self.threads.get_mut(filling.origin.thread).ok_or(Transport::Disconnected)?;
        thread.filling = Some(filling);
        Ok(Answer::Unfinished)
    }

    /// Writes `length` bytes of bulk data behind the head, in portions of at most `N`, a multiple of 8.
    fn fill_result<const N: usize>(
        &mut self,
        origin: &Origin,
        head_bytes: usize,
        length: usize,
        fill: &mut impl FnMut(&mut Kernel, usize, &mut [u8]) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let mut portion = [0; N];
        let mut done = 0;
        while done < length {
            let size = N.min(length - done);
            // The last portion goes out with the zeros that fill its last word.
            let padded = size.next_multiple_of(8);
            if let Some(bytes) = portion.get_mut(..padded) {
                let (data, padding) = bytes.split_at_mut(size);
                fill(self, done, data)?;
                padding.fill(0);
                self.write_result(origin, head_bytes + done, bytes)?;
            }
            done += size;
        }
        Ok(())
    }
}
