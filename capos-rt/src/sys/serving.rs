//! The short way of a server: one call at a time, without capabilities, answered in the submission that waits for the next.
//!
//! Called by `untyped`; calls `thread`. Slot and buffers are taken once, so a round searches, allocates and gives back
//! nothing.
//!
//! Invariant: outside [`Serving::round`] nothing is in flight, so the buffers are the server's own.

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_abi::ring::{FLAGS, Opcode, Submission};

use super::area::AreaBlock;
use super::thread::{self, Thread};

/// A slot and a block of the message area: the reply, then what was received.
pub(crate) struct Serving {
    thread: &'static Thread,
    slot: usize,
    block: AreaBlock,
    /// Bytes for the reply, whole words.
    reply: usize,
    /// Bytes for what is received, whole words.
    room: usize,
    /// Bytes that were received.
    received: usize,
}

impl Serving {
    /// Room for replies of `reply` bytes and calls of `room` bytes, header included; `None` without room in the message area.
    pub(crate) fn new(reply: usize, room: usize) -> Option<Serving> {
        let (reply, room) = (reply.checked_add(7)? & !7, room.checked_add(7)? & !7);
        let block = AreaBlock::new(reply.checked_add(room)?)?;
        let thread = thread::current();
        let slot = thread.take_slot()?;
        Some(Serving { thread, slot, block, reply, room, received: 0 })
    }

    /// What was received, and the buffer for the reply.
    #[inline]
    pub(crate) fn buffers(&mut self) -> (&[u8], &mut [u8]) {
        let (reply, received) = self.block.bytes_mut().split_at_mut(self.reply);
        (received.get(..self.received).unwrap_or_default(), reply)
    }

    /// Answers the call of `token` with `length` bytes of the reply buffer, if there is one, and waits for the next.
    ///
    /// # Errors
    /// What the completion says; [`Transport::LimitReached`] if the submission ring is full.
    #[inline]
    pub(crate) fn round(
        &mut self,
        endpoint: Handle,
        answered: Option<(u64, usize)>,
    ) -> Result<(), CallError> {
        let base = self.block.offset() as u64;
        let opcode = if answered.is_some() { Opcode::ReturnAndReceive } else { Opcode::Receive };
        let mut submission = Submission::new(opcode, 0);
        submission.handle = endpoint;
        submission.flags = FLAGS & !capos_abi::ring::FLAG_PARAMETERS_IN_AREA;
        submission.result_address = base + self.reply as u64;
        submission.result_capacity = self.room as u32;
        if let Some((token, length)) = answered {
            submission.flags = FLAGS;
            submission.operand = token;
            submission.address = base;
            submission.length = length.min(self.reply) as u32;
        }
        self.received = 0;
        // SAFETY: the block is this value's, which waits here until the operation has completed.
        unsafe { self.thread.submit(self.slot, submission) }?;
        let completion = self.thread.wait_for_ever(self.slot);
        CallError::check(completion.result)?;
        self.received = (completion.length as usize).min(self.room);
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.thread.give_back_slot(self.slot);
    }
}

/// For a server without room in its message area.
pub(crate) const NO_ROOM: CallError = CallError::Transport(Transport::OutOfMemory);
