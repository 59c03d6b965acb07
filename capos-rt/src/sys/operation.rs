//! A submission together with the memory that the kernel may touch until it has completed.
//!
//! Called by `call`, `capability` and `timer` code of the runtime; calls `thread` and `area`. An operation is prepared
//! (its parameters are written in place), submitted, waited for, and then read.
//!
//! Invariant: buffers are given back only after the completion was read: dropping an operation in flight cancels it and
//! waits for the kernel's acknowledgement.

use alloc::vec::Vec;
use core::ops::Range;

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::CAPABILITIES_MAX;
use capos_abi::ring::{
    Completion, FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, RECEIVED_HANDLE_BYTES, Submission,
    TRANSFER_BYTES, TRANSFER_COPY,
};

use super::area::AreaBlock;
use super::thread::{self, Thread, WaitLimit};

/// Bytes of parameters up to which they go through the message area if there is room; so do as many of results.
const AREA_MESSAGE_MAX: usize = 4096;

/// What an operation needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Bytes of the parameter message.
    pub(crate) parameters: usize,
    /// Capabilities that go with it.
    pub(crate) sends: usize,
    /// Bytes of the reply at most.
    pub(crate) results: usize,
    /// Capabilities that come with it at most.
    pub(crate) receives: usize,
}

/// Where a message lies.
enum Place {
    /// At this range of the area block.
    Area(Range<usize>),
    /// On the heap, for the long path.
    Heap(Vec<u64>),
}

/// An operation: prepared, in flight or completed.
pub(crate) struct Operation {
    thread: &'static Thread,
    slot: usize,
    block: AreaBlock,
    sizes: Sizes,
    parameters: Place,
    results: Place,
    /// Submitted and not known to have completed.
    is_in_flight: bool,
}

/// Offsets of the two lists of an area block, then where messages begin.
fn list_offsets(sizes: &Sizes) -> (usize, usize) {
    let receive = sizes.sends * TRANSFER_BYTES;
    (receive, (receive + sizes.receives * RECEIVED_HANDLE_BYTES).next_multiple_of(8))
}

impl Operation {
    /// An operation with room for what it needs: in the message area where it fits, else on the heap.
    ///
    /// # Errors
    /// [`Transport::TooLarge`], [`Transport::BadTransfer`]; [`Transport::OutOfMemory`]; [`Transport::LimitReached`] if too
    /// many operations are in flight.
    #[inline]
    pub(crate) fn prepare(sizes: Sizes) -> Result<Operation, CallError> {
        let whole = Sizes {
            parameters: sizes.parameters.next_multiple_of(8),
            results: sizes.results.next_multiple_of(8),
            ..sizes
        };
        if whole.parameters > capos_abi::message::MESSAGE_BYTES_MAX
            || whole.results > capos_abi::message::MESSAGE_BYTES_MAX
        {
            return Err(Transport::TooLarge.into());
        }
        if sizes.sends > CAPABILITIES_MAX || sizes.receives > CAPABILITIES_MAX {
            return Err(Transport::BadTransfer.into());
        }
        let thread = thread::current();
        let slot = thread.take_slot().ok_or(Transport::LimitReached)?;
        match Self::with_slot(thread, slot, whole) {
            Some(operation) => Ok(operation),
            None => {
                thread.give_back_slot(slot);
                Err(Transport::OutOfMemory.into())
            }
        }
    }

    #[inline]
    fn with_slot(thread: &'static Thread, slot: usize, sizes: Sizes) -> Option<Operation> {
        let (_, start) = list_offsets(&sizes);
        let end = start + sizes.parameters + sizes.results;
        if sizes.parameters <= AREA_MESSAGE_MAX
            && sizes.results <= AREA_MESSAGE_MAX
            && let Some(block) = AreaBlock::new(end)
        {
            let split = start + sizes.parameters;
            let (parameters, results) = (Place::Area(start..split), Place::Area(split..end));
            return Some(Operation { thread, slot, block, sizes, parameters, results, is_in_flight: false });
        }
        let block = AreaBlock::new(start)?;
        let (parameters, results) = (heap_place(sizes.parameters)?, heap_place(sizes.results)?);
        Some(Operation { thread, slot, block, sizes, parameters, results, is_in_flight: false })
    }

    /// The buffer for the parameters, exactly as large as was asked for, in whole words.
    #[inline]
    pub(crate) fn parameters_mut(&mut self) -> &mut [u8] {
        match &mut self.parameters {
            Place::Area(range) => self.block.bytes_mut().get_mut(range.clone()).unwrap_or_default(),
            Place::Heap(words) => bytes_of_mut(words),
        }
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

    /// Submits a call whose parameters, of which there are `length` bytes, are written.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    #[inline]
    pub(crate) fn submit_call(
        &mut self,
        handle: Handle,
        interface: u64,
        method: u16,
        length: usize,
    ) -> Result<(), CallError> {
        let mut submission = Submission::new(Opcode::Call, 0);
        submission.handle = handle;
        submission.interface = interface;
        submission.method = method;
        self.fill_in_buffers(&mut submission, length.min(self.sizes.parameters));
        self.submit(submission)
    }

    /// Submits anything that names no buffers.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_derive(&mut self, handle: Handle, mask: u64) -> Result<(), CallError> {
        let mut submission = Submission::new(Opcode::Derive, 0);
        submission.handle = handle;
        submission.operand = mask;
        self.submit(submission)
    }

    #[inline]
    fn submit(&mut self, submission: Submission) -> Result<(), CallError> {
        // SAFETY: the buffers in it are this operation's, which keeps them until the completion was read.
        unsafe { self.thread.submit(self.slot, submission) }?;
        self.is_in_flight = true;
        Ok(())
    }

    #[inline]
    fn fill_in_buffers(&mut self, submission: &mut Submission, length: usize) {
        let base = self.block.offset();
        let (receive_list, _) = list_offsets(&self.sizes);
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

    /// True if its completion has arrived; looks at the ring, and does not enter the kernel.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.thread.collect();
        self.thread.completion(self.slot).is_some()
    }

    /// Waits for the completion. When `limit` passes, or cannot be waited for, the operation is cancelled and its
    /// acknowledgement awaited; if it was done meanwhile, it counts as done.
    ///
    /// # Errors
    /// What the completion says; [`Transport::Cancelled`] after the limit; what `enter` says, for example
    /// [`Transport::NoTimer`].
    #[inline]
    pub(crate) fn finish(mut self, limit: WaitLimit) -> Result<Finished, CallError> {
        let (completion, refusal) = match self.thread.wait(self.slot, limit) {
            Ok(Some(completion)) => (completion, None),
            Ok(None) => (self.cancelled(), None),
            Err(refusal) => (self.cancelled(), Some(refusal)),
        };
        self.is_in_flight = false;
        match (CallError::check(completion.result), refusal) {
            (Ok(_), _) => {}
            (Err(CallError::Transport(Transport::Cancelled)), Some(refusal)) => return Err(refusal.into()),
            (Err(error), _) => return Err(error),
        }
        Ok(Finished { operation: self, completion })
    }

    /// Cancels, and waits until the kernel has let go of the buffers.
    #[cold]
    fn cancelled(&mut self) -> Completion {
        if !self.is_complete() {
            self.thread.cancel(self.slot);
        }
        loop {
            if let Ok(Some(completion)) = self.thread.wait(self.slot, WaitLimit::NEVER) {
                return completion;
            }
        }
    }
}

impl Drop for Operation {
    #[inline]
    fn drop(&mut self) {
        if self.is_in_flight {
            let completion = self.cancelled();
            self.release_received(&completion);
        }
        self.thread.give_back_slot(self.slot);
    }
}

impl Operation {
    /// The handle at `index` of the receive list.
    fn received(&self, index: usize) -> Handle {
        let at = list_offsets(&self.sizes).0 + index * RECEIVED_HANDLE_BYTES;
        let bytes = self.block.bytes().get(at..at + RECEIVED_HANDLE_BYTES);
        Handle(bytes.and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }

    /// Gives up what a reply brought that nobody will look at.
    fn release_received(&self, completion: &Completion) {
        if completion.result >= 0 {
            for index in 0..usize::from(completion.capability_count).min(self.sizes.receives) {
                self.thread.release(self.received(index));
            }
        }
    }
}

/// A completed operation with its reply.
pub(crate) struct Finished {
    operation: Operation,
    completion: Completion,
}

impl Finished {
    /// The reply message.
    #[inline]
    pub(crate) fn message(&self) -> &[u8] {
        let length = self.completion.length as usize;
        let buffer = match &self.operation.results {
            Place::Area(range) => self.operation.block.bytes().get(range.clone()).unwrap_or_default(),
            Place::Heap(words) => bytes_of(words),
        };
        buffer.get(..length).unwrap_or(buffer)
    }

    /// The handles that came along. Whoever takes them owns them.
    #[inline]
    pub(crate) fn take_handles(&mut self) -> [Handle; CAPABILITIES_MAX] {
        let mut handles = [Handle::NULL; CAPABILITIES_MAX];
        let count = usize::from(self.completion.capability_count).min(self.operation.sizes.receives);
        for (index, handle) in handles.iter_mut().enumerate().take(count) {
            *handle = self.operation.received(index);
        }
        self.completion.capability_count = 0;
        handles
    }

    /// The new handle of a derive.
    pub(crate) fn derived(&self) -> Handle {
        Handle(self.completion.length)
    }
}

impl Drop for Finished {
    #[inline]
    fn drop(&mut self) {
        if self.completion.capability_count != 0 {
            self.operation.release_received(&self.completion);
        }
    }
}

/// A zeroed buffer on the heap, or `None` without memory.
#[cold]
fn heap_place(bytes: usize) -> Option<Place> {
    let mut words = Vec::new();
    words.try_reserve_exact(bytes / 8).ok()?;
    words.resize(bytes / 8, 0);
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
