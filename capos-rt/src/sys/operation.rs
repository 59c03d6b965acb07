//! A submission together with the memory that the kernel may touch until it has completed.
//!
//! Called by `call` and `capability`; calls `thread` and `buffers`. An operation is prepared (its parameters are written in
//! place), submitted, waited for, and then read.
//!
//! Invariant: buffers are given back only after the completion was read: dropping an operation in flight cancels it and
//! waits for the kernel's acknowledgement.

use core::cell::Cell;

use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::{CAPABILITIES_MAX, MESSAGE_BYTES_MAX};
use capos_abi::ring::{Completion, Opcode, Submission};

use super::buffers::Buffers;
pub(crate) use super::buffers::{Sent, Sizes};
use super::thread::{self, Thread, WaitLimit};

/// An operation: prepared, in flight or completed.
pub(crate) struct Operation {
    thread: &'static Thread,
    slot: usize,
    buffers: Buffers,
    /// Submitted and not known to have completed.
    is_in_flight: bool,
}

impl Operation {
    /// An operation with room for what it needs: in the message area where it fits, else on the heap.
    ///
    /// # Errors
    /// [`Transport::TooLarge`], [`Transport::BadTransfer`]; [`Transport::OutOfMemory`]; [`Transport::LimitReached`] if too
    /// many operations are in flight.
    #[inline]
    pub(crate) fn prepare(sizes: Sizes) -> Result<Operation, CallError> {
        if sizes.parameters > MESSAGE_BYTES_MAX || sizes.results > MESSAGE_BYTES_MAX {
            return Err(Transport::TooLarge.into());
        }
        if sizes.sends > CAPABILITIES_MAX || sizes.receives > CAPABILITIES_MAX {
            return Err(Transport::BadTransfer.into());
        }
        let sizes = Sizes {
            parameters: sizes.parameters.next_multiple_of(8),
            results: sizes.results.next_multiple_of(8),
            ..sizes
        };
        let thread = thread::current();
        let slot = thread.take_slot().ok_or(Transport::LimitReached)?;
        match Buffers::new(thread, sizes) {
            Some(buffers) => Ok(Operation { thread, slot, buffers, is_in_flight: false }),
            None => {
                thread.give_back_slot(slot);
                Err(Transport::OutOfMemory.into())
            }
        }
    }

    /// The buffer for the parameters, as large as was asked for, in whole words.
    #[inline]
    pub(crate) fn parameters_mut(&mut self) -> &mut [u8] {
        self.buffers.parameters_mut()
    }

    /// Writes the list of capabilities that go along, each as a copy.
    #[inline]
    pub(crate) fn set_sends(&mut self, handles: &[Handle]) {
        self.buffers.set_sends(handles);
    }

    /// Writes the list of capabilities that go along.
    pub(crate) fn set_rows(&mut self, rows: &[Sent]) {
        self.buffers.set_rows(rows);
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
        self.buffers.fill_in(&mut submission, length);
        self.submit(submission)
    }

    /// Submits the derivation of a child of `handle` with this mask.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_derive(&mut self, handle: Handle, mask: u64) -> Result<(), CallError> {
        let mut submission = Submission::new(Opcode::Derive, 0);
        submission.handle = handle;
        submission.operand = mask;
        self.submit(submission)
    }

    /// Submits the end of everything that came from `handle`.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_revoke(&mut self, handle: Handle) -> Result<(), CallError> {
        self.submit(Submission { handle, ..Submission::new(Opcode::Revoke, 0) })
    }

    /// Submits a receive on the endpoint `handle`.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_receive(&mut self, handle: Handle) -> Result<(), CallError> {
        let mut submission = Submission::new(Opcode::Receive, 0);
        submission.handle = handle;
        self.buffers.fill_in(&mut submission, 0);
        self.submit(submission)
    }

    /// Submits the reply to the call of `token`, of which `length` bytes are written, and behind it a receive on the
    /// endpoint `next`, if there is one.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_return(
        &mut self,
        token: u64,
        length: usize,
        next: Option<Handle>,
    ) -> Result<(), CallError> {
        let opcode = if next.is_some() { Opcode::ReturnAndReceive } else { Opcode::Return };
        let mut submission = Submission::new(opcode, 0);
        submission.handle = next.unwrap_or_default();
        submission.operand = token;
        self.buffers.fill_in(&mut submission, length);
        self.submit(submission)
    }

    /// Submits an exception as the answer to the call of `token`.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full.
    pub(crate) fn submit_exception(&mut self, token: u64, exception: Exception) -> Result<(), CallError> {
        let mut submission = Submission::new(Opcode::Return, 0);
        submission.operand = token;
        submission.method = exception.result().unsigned_abs() as u16;
        self.submit(submission)
    }

    #[inline]
    fn submit(&mut self, submission: Submission) -> Result<(), CallError> {
        // SAFETY: the buffers in it are this operation's, which keeps them until the completion was read.
        unsafe { self.thread.submit(self.slot, submission) }?;
        self.is_in_flight = true;
        Ok(())
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
            (Ok(_), _) => Ok(Finished { operation: self, completion, taken: Cell::new(0) }),
            (Err(CallError::Transport(Transport::Cancelled)), Some(refusal)) => Err(refusal.into()),
            (Err(error), _) => Err(error),
        }
    }

    /// Cancels it, and waits; if it was done meanwhile, it counts as done.
    ///
    /// # Errors
    /// What the completion says.
    pub(crate) fn give_up(mut self) -> Result<Finished, CallError> {
        let completion = self.cancelled();
        self.is_in_flight = false;
        CallError::check(completion.result)?;
        Ok(Finished { operation: self, completion, taken: Cell::new(0) })
    }

    /// Cancels, and waits until the kernel has let go of the buffers.
    #[cold]
    fn cancelled(&mut self) -> Completion {
        if !self.is_complete() {
            self.thread.cancel(self.slot);
        }
        self.thread.wait_for_ever(self.slot)
    }

    /// Gives up what a reply brought and nobody took.
    fn release_received(&self, completion: &Completion, taken: u16) {
        if completion.result < 0 {
            return;
        }
        for (index, handle) in self.buffers.received(completion.capability_count).enumerate() {
            if taken >> index & 1 == 0 {
                self.thread.release(handle);
            }
        }
    }
}

impl Drop for Operation {
    #[inline]
    fn drop(&mut self) {
        if self.is_in_flight {
            let completion = self.cancelled();
            self.release_received(&completion, 0);
        }
        self.thread.give_back_slot(self.slot);
    }
}

/// A completed operation with its reply.
pub(crate) struct Finished {
    operation: Operation,
    completion: Completion,
    /// One bit for each handle that was taken.
    taken: Cell<u16>,
}

impl Finished {
    /// The reply message.
    #[inline]
    pub(crate) fn message(&self) -> &[u8] {
        self.operation.buffers.results(self.completion.length as usize)
    }

    /// The handle at `index` of what came along; the first time, whoever takes it owns it.
    pub(crate) fn take_handle(&self, index: u32) -> Option<Handle> {
        let index = usize::try_from(index).ok()?;
        let handle = self.operation.buffers.received(self.completion.capability_count).nth(index)?;
        let bit = 1_u16.checked_shl(index as u32)?;
        let taken = self.taken.get();
        self.taken.set(taken | bit);
        (taken & bit == 0).then_some(handle)
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
            self.operation.release_received(&self.completion, self.taken.get());
        }
    }
}
