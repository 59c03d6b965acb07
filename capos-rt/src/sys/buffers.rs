//! The memory that the kernel may touch for one operation: lists, parameters, results.
//!
//! Owned by `operation`; takes it from `area`, and from the heap what does not fit there.
//!
//! Invariant: what [`Buffers::fill_in`] puts into a submission lies in these buffers and stays where it is until they are
//! dropped.

use alloc::vec::Vec;
use core::ops::Range;

use capos_abi::handle::Handle;
use capos_abi::message::MESSAGE_BYTES_MAX;
use capos_abi::ring::{
    FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, MINT_BYTES, Mint, RECEIVED_HANDLE_BYTES, Submission,
    TRANSFER_BYTES, TRANSFER_COPY, TRANSFER_MINT, TRANSFER_MOVE,
};

use super::area::AreaBlock;
use super::thread::Thread;

/// Bytes of parameters up to which they go through the message area if there is room; so do as many of results.
const AREA_MESSAGE_MAX: usize = 4096;

/// What an operation needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Bytes of the parameter message.
    pub(crate) parameters: usize,
    /// Capabilities that go with it.
    pub(crate) sends: usize,
    /// Objects that are minted with it, which are among those.
    pub(crate) mints: usize,
    /// Bytes of the reply at most.
    pub(crate) results: usize,
    /// Capabilities that come with it at most.
    pub(crate) receives: usize,
}

/// A row of the list of capabilities that go along.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    /// The receiver gets a copy.
    Copy(Handle),
    /// It leaves this process.
    Move(Handle),
    /// A new object.
    Mint(Mint),
}

/// Where a message lies.
enum Place {
    /// At this range of the area block.
    Area(Range<usize>),
    /// On the heap, for the long path: at the front of these words.
    Heap(Vec<u64>),
}

/// What has come, and where to write what goes.
#[derive(Default)]
pub(crate) struct Parts<'b> {
    /// As many bytes of the results as were asked for, or fewer if there is less room.
    pub(crate) results: &'b [u8],
    /// The buffer for the parameters.
    pub(crate) parameters: &'b mut [u8],
}

/// The buffers of one operation.
pub(crate) struct Buffers {
    thread: &'static Thread,
    block: AreaBlock,
    sizes: Sizes,
    parameters: Place,
    results: Place,
}

/// Offsets of the receive list and of the messages in an area block; the send list comes first, with what is minted.
fn list_offsets(sizes: &Sizes) -> (usize, usize) {
    let receive = sizes.sends * TRANSFER_BYTES + sizes.mints * MINT_BYTES;
    (receive, (receive + sizes.receives * RECEIVED_HANDLE_BYTES).next_multiple_of(8))
}

impl Buffers {
    /// Buffers of these sizes, which are whole words and within the bounds of a message; `None` without room.
    #[inline]
    pub(crate) fn new(thread: &'static Thread, sizes: Sizes) -> Option<Buffers> {
        let (_, start) = list_offsets(&sizes);
        let (split, end) = (start + sizes.parameters, start + sizes.parameters + sizes.results);
        if sizes.parameters <= AREA_MESSAGE_MAX
            && sizes.results <= AREA_MESSAGE_MAX
            && let Some(block) = AreaBlock::new(end)
        {
            let (parameters, results) = (Place::Area(start..split), Place::Area(split..end));
            return Some(Buffers { thread, block, sizes, parameters, results });
        }
        let block = AreaBlock::new(start)?;
        let mut buffers =
            Buffers { thread, block, sizes, parameters: Place::Area(0..0), results: Place::Area(0..0) };
        buffers.parameters = heap_place(thread, sizes.parameters)?;
        buffers.results = heap_place(thread, sizes.results)?;
        Some(buffers)
    }

    /// The buffer for the parameters.
    #[inline]
    pub(crate) fn parameters_mut(&mut self) -> &mut [u8] {
        match &mut self.parameters {
            Place::Area(range) => self.block.bytes_mut().get_mut(range.clone()).unwrap_or_default(),
            Place::Heap(words) => bytes_of_mut(words).get_mut(..self.sizes.parameters).unwrap_or_default(),
        }
    }

    /// The first `length` bytes of the results, or fewer if there is less room.
    #[inline]
    pub(crate) fn results(&self, length: usize) -> &[u8] {
        let length = length.min(self.sizes.results);
        let buffer = match &self.results {
            Place::Area(range) => self.block.bytes().get(range.clone()).unwrap_or_default(),
            Place::Heap(words) => bytes_of(words),
        };
        buffer.get(..length).unwrap_or_default()
    }

    /// Everything at once: see [`Parts`].
    #[inline]
    pub(crate) fn parts(&mut self, length: usize) -> Parts<'_> {
        let (_, start) = list_offsets(&self.sizes);
        let (_, messages) = self.block.bytes_mut().split_at_mut_checked(start).unwrap_or_default();
        let (results, parameters) = match (&self.results, &mut self.parameters) {
            // The results lie behind the parameters.
            (Place::Area(results), Place::Area(_)) => {
                let (front, back) = messages.split_at_mut_checked(results.start - start).unwrap_or_default();
                (&*back, front)
            }
            (Place::Heap(results), Place::Heap(parameters)) => (bytes_of(results), bytes_of_mut(parameters)),
            _ => Default::default(),
        };
        Parts {
            results: results.get(..length.min(self.sizes.results)).unwrap_or_default(),
            parameters: parameters.get_mut(..self.sizes.parameters).unwrap_or_default(),
        }
    }

    /// Where the list of capabilities that go along lies in the message area.
    #[inline]
    pub(crate) fn send_list(&self) -> u32 {
        self.block.offset() as u32
    }

    /// Writes the list of capabilities that go along, each as a copy.
    #[inline]
    pub(crate) fn set_sends(&mut self, handles: &[Handle]) {
        let rows = self.block.bytes_mut().chunks_exact_mut(TRANSFER_BYTES).take(self.sizes.sends);
        for (row, handle) in rows.zip(handles) {
            row[..4].copy_from_slice(&handle.0.to_le_bytes());
            row[4..].copy_from_slice(&TRANSFER_COPY.to_le_bytes());
        }
    }

    /// Writes the list of capabilities that go along, of every mode. Rows without room are left out.
    pub(crate) fn set_rows(&mut self, rows: &[Sent]) {
        let base = self.block.offset();
        let mut next = self.sizes.sends * TRANSFER_BYTES;
        for (index, row) in rows.iter().take(self.sizes.sends).enumerate() {
            let (word, mode) = match row {
                Sent::Copy(handle) => (handle.0, TRANSFER_COPY),
                Sent::Move(handle) => (handle.0, TRANSFER_MOVE),
                Sent::Mint(mint) => {
                    let place = self.block.bytes_mut().get_mut(next..next + MINT_BYTES).unwrap_or_default();
                    if place.len() == MINT_BYTES {
                        place.copy_from_slice(&mint.encode());
                    }
                    next += MINT_BYTES;
                    ((base + next - MINT_BYTES) as u32, TRANSFER_MINT)
                }
            };
            let row = self.block.bytes_mut().chunks_exact_mut(TRANSFER_BYTES).nth(index).unwrap_or_default();
            if row.len() == TRANSFER_BYTES {
                row[..4].copy_from_slice(&word.to_le_bytes());
                row[4..].copy_from_slice(&mode.to_le_bytes());
            }
        }
    }

    /// As many handles of the receive list, or fewer if there is less room.
    pub(crate) fn handles(&self, count: u8) -> &[[u8; RECEIVED_HANDLE_BYTES]] {
        let list = self.block.bytes().get(list_offsets(&self.sizes).0..).unwrap_or_default();
        let (handles, _) = list.as_chunks();
        handles.get(..usize::from(count).min(self.sizes.receives)).unwrap_or_default()
    }

    /// The first `count` handles of the receive list.
    pub(crate) fn received(&self, count: u8) -> impl Iterator<Item = Handle> {
        let start = list_offsets(&self.sizes).0;
        let list = self.block.bytes().get(start..).unwrap_or_default();
        let (handles, _) = list.as_chunks::<RECEIVED_HANDLE_BYTES>();
        handles
            .iter()
            .take(usize::from(count).min(self.sizes.receives))
            .map(|b| Handle(u32::from_le_bytes(*b)))
    }

    /// States the buffers in a submission; `length` bytes of parameters were written.
    #[inline]
    pub(crate) fn fill_in(&mut self, submission: &mut Submission, length: usize) {
        let base = self.block.offset();
        let (receive_list, _) = list_offsets(&self.sizes);
        let length = length.min(self.sizes.parameters);
        submission.length = length as u32;
        match &self.parameters {
            _ if length == 0 => {}
            Place::Area(range) => {
                submission.flags |= FLAG_PARAMETERS_IN_AREA;
                submission.address = (base + range.start) as u64;
            }
            Place::Heap(words) => submission.address = words.as_ptr().expose_provenance() as u64,
        }
        submission.result_capacity = self.sizes.results as u32;
        match &mut self.results {
            _ if self.sizes.results == 0 => {}
            Place::Area(range) => {
                submission.flags |= FLAG_RESULT_IN_AREA;
                submission.result_address = (base + range.start) as u64;
            }
            Place::Heap(words) => {
                submission.result_address = words.as_mut_ptr().expose_provenance() as u64;
            }
        }
        if self.sizes.sends != 0 {
            submission.send_list = base as u32;
            submission.send_count = self.sizes.sends as u8;
        }
        if self.sizes.receives != 0 {
            submission.receive_list = (base + receive_list) as u32;
            submission.receive_slots = self.sizes.receives as u8;
        }
    }
}

impl Drop for Buffers {
    #[inline]
    fn drop(&mut self) {
        for place in [&mut self.parameters, &mut self.results] {
            if let Place::Heap(words) = place {
                self.thread.keep_spare(core::mem::take(words));
            }
        }
    }
}

/// Room for a message on the heap: for a large one the thread's spare buffer, which has seen a message already and need not
/// be zeroed again. `None` without memory.
#[cold]
fn heap_place(thread: &Thread, bytes: usize) -> Option<Place> {
    let is_large = bytes > AREA_MESSAGE_MAX;
    let mut words = if is_large { thread.take_spare() } else { Vec::new() };
    let wanted = if is_large { MESSAGE_BYTES_MAX } else { bytes } / 8;
    if words.len() < wanted {
        words.try_reserve_exact(wanted - words.len()).ok()?;
        words.resize(wanted, 0);
    }
    Some(Place::Heap(words))
}

fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: any initialized memory is bytes; the length is the words'.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

fn bytes_of_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as above, and any bytes are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}
