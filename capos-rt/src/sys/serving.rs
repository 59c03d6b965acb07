//! A server's place for one call at a time: answered in the submission that waits for the next.
//!
//! Called by `untyped` and `server`; calls `thread`. Slot and buffers are taken once, so a round searches, allocates and gives
//! back nothing.
//!
//! Invariant: while a receive is in flight the buffers are the kernel's, and nothing here lends them; otherwise they are the
//! server's own.

use core::cell::Cell;
use core::ptr::NonNull;

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
#[cfg(feature = "virtio")]
use capos_abi::ring::FLAG_RESULT_IN_AREA;
use capos_abi::ring::{
    Completion, FLAG_PARAMETERS_IN_AREA, Opcode, PlainAnswer, RECEIVED_HANDLE_BYTES, Submission,
};

use super::buffers::{Buffers, Sent, Sizes};
use super::thread::{self, Thread, WaitLimit};

/// A slot, and buffers for a reply (the parameters of [`Sizes`]) and for what is received (its results).
pub(crate) struct Serving {
    thread: &'static Thread,
    slot: usize,
    buffers: Buffers,
    /// A receive without its endpoint.
    receive: Submission,
    /// A return-and-receive without endpoint, token and length,
    answer: Submission,
    /// and its words, for the frequent kind.
    answer_words: [u64; 8],
    /// Where reply and what is received are in the buffers.
    reply: NonNull<u8>,
    room: NonNull<u8>,
    /// Bytes for what is received.
    room_bytes: usize,
    /// Bytes for the reply, and the capabilities that may go with it.
    most: (usize, usize),
    /// Bytes that were received.
    received: usize,
    /// Capabilities that were received.
    arrived: u8,
    /// One bit for each of those that was taken.
    taken: Cell<u16>,
    is_in_flight: bool,
}

/// A call in hand.
pub(crate) struct Received<'s> {
    /// The kernel's header and the message.
    pub(crate) bytes: &'s [u8],
    handles: &'s [[u8; RECEIVED_HANDLE_BYTES]],
    taken: &'s Cell<u16>,
}

impl Received<'_> {
    /// Takes the handle at `index` of what came along; the first time, whoever takes it owns it.
    pub(crate) fn take_handle(&self, index: u32) -> Option<Handle> {
        let handle = self.handles.get(usize::try_from(index).ok()?)?;
        let (bit, taken) = (1_u16.checked_shl(index)?, self.taken.get());
        self.taken.set(taken | bit);
        (taken & bit == 0).then_some(Handle(u32::from_le_bytes(*handle)))
    }
}

/// How the call in hand is answered.
#[derive(Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// With this many bytes of the reply buffer.
    Plain(u64, usize),
    /// With these capabilities too.
    With(u64, usize, &'a [Sent]),
    /// With an exception: its completion result.
    Refusal(u64, i32),
}

impl Serving {
    /// Room for replies and for calls, header included; every capability of a reply may be minted. `None` without room or
    /// slot, or if it is more than a message may be.
    pub(crate) fn new(sizes: Sizes) -> Option<Serving> {
        let most = capos_abi::message::MESSAGE_BYTES_MAX;
        // A reply buffer that is never empty keeps every answer in the same shape.
        let (reply, room) =
            (sizes.parameters.max(1).checked_add(7)? & !7, sizes.results.checked_add(7)? & !7);
        if reply > most || room > most {
            return None;
        }
        let thread = thread::current();
        let sizes = Sizes { parameters: reply, results: room, mints: sizes.sends, ..sizes };
        let mut buffers = Buffers::new(thread, sizes)?;
        let mut answer = Submission::new(Opcode::ReturnAndReceive, 0);
        buffers.fill_in(&mut answer, reply);
        (answer.length, answer.send_count, answer.send_list) = (0, 0, 0);
        let flags = answer.flags & !FLAG_PARAMETERS_IN_AREA;
        let receive = Submission { opcode: Opcode::Receive, flags, address: 0, ..answer };
        let parts = buffers.parts(room);
        let (reply_place, room_place) =
            (NonNull::from_mut(parts.parameters).cast(), NonNull::from_ref(parts.results).cast());
        let slot = thread.take_slot()?;
        Some(Serving {
            thread,
            slot,
            buffers,
            receive,
            answer,
            answer_words: answer.encode(),
            reply: reply_place,
            room: room_place,
            room_bytes: room,
            most: (reply, sizes.sends),
            received: 0,
            arrived: 0,
            taken: Cell::new(0),
            is_in_flight: false,
        })
    }

    /// Receives into memory of the caller's from now on.
    ///
    /// # Errors
    /// [`Transport::BadMessage`] while a receive is in flight.
    ///
    /// # Safety
    /// The bytes are initialized, the kernel may write them, and until the value is dropped or has got other ones nobody
    /// else looks at them while a receive is in flight, nor writes them while [`Serving::hand`] lends them.
    #[cfg(feature = "virtio")]
    pub(crate) unsafe fn receive_into(&mut self, room: NonNull<u8>, bytes: usize) -> Result<(), CallError> {
        if self.is_in_flight {
            return Err(Transport::BadMessage.into());
        }
        for submission in [&mut self.receive, &mut self.answer] {
            submission.flags &= !FLAG_RESULT_IN_AREA;
            submission.result_address = room.as_ptr().expose_provenance() as u64;
            submission.result_capacity = bytes as u32;
        }
        self.answer_words = self.answer.encode();
        (self.room, self.room_bytes, self.received) = (room, bytes, 0);
        Ok(())
    }

    /// What was received, and the buffer for the reply; both empty while a receive is in flight.
    #[inline]
    pub(crate) fn hand(&mut self) -> (Received<'_>, &mut [u8]) {
        if self.is_in_flight {
            return (Received { bytes: &[], handles: &[], taken: &self.taken }, &mut []);
        }
        // SAFETY: so many bytes of the results were initialized and fit the buffer, which lives as long as this value; the
        // kernel has let go of them.
        let bytes = unsafe { core::slice::from_raw_parts(self.room.as_ptr(), self.received) };
        // SAFETY: the buffer for the parameters, another one than that for the results, borrowed with this value.
        let reply = unsafe { core::slice::from_raw_parts_mut(self.reply.as_ptr(), self.most.0) };
        let handles = if self.arrived == 0 { &[] } else { self.buffers.handles(self.arrived) };
        (Received { bytes, handles, taken: &self.taken }, reply)
    }

    /// Gives up the handles that nobody took.
    #[inline]
    fn release_untaken(&mut self) {
        if self.arrived != 0 {
            for (index, handle) in self.buffers.received(self.arrived).enumerate() {
                if self.taken.get() >> index & 1 == 0 {
                    self.thread.release(handle);
                }
            }
            self.arrived = 0;
        }
    }

    /// Answers the call in hand, if it is to be, and waits for the next: [`Serving::turn`] is for what is plain.
    ///
    /// # Errors
    /// What the completion says; [`Transport::LimitReached`] if the submission ring is full.
    #[inline(never)] // The loop's registers are for what is plain.
    pub(crate) fn round(&mut self, endpoint: Handle, answered: Option<Answer<'_>>) -> Result<(), CallError> {
        self.begin(endpoint, answered)?;
        let completion = self.thread.wait_for_ever(self.slot);
        self.take(completion)
    }

    /// Answers the call in hand with `length` bytes of the reply buffer, and waits for the next: what a server does most.
    ///
    /// # Errors
    /// As for [`Serving::round`].
    #[inline(always)] // One caller in a server's loop.
    pub(crate) fn turn(&mut self, endpoint: Handle, token: u64, length: usize) -> Result<(), CallError> {
        if self.is_in_flight {
            return Err(Transport::BadMessage.into());
        }
        self.release_untaken();
        (self.received, self.taken) = (0, Cell::new(0));
        let submission = PlainAnswer { endpoint, token, length: length.min(self.most.0) as u32 };
        // SAFETY: slot and buffers are this value's, which waits here until the operation has completed.
        let completion =
            unsafe { self.thread.serve_alone(self.slot, submission.fill_in(&self.answer_words)) };
        self.take(completion)
    }

    /// Answers the call in hand, if it is to be, and begins to receive the next. The kernel takes it at the next wait or flush.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the submission ring is full; [`Transport::BadMessage`] while a receive is in flight.
    #[inline]
    pub(crate) fn begin(&mut self, endpoint: Handle, answered: Option<Answer<'_>>) -> Result<(), CallError> {
        if self.is_in_flight {
            return Err(Transport::BadMessage.into());
        }
        let mut submission = match answered {
            None => self.receive,
            Some(Answer::Plain(token, length)) => {
                Submission { operand: token, length: length.min(self.most.0) as u32, ..self.answer }
            }
            Some(Answer::With(token, length, rows)) => {
                self.buffers.set_rows(rows);
                Submission {
                    operand: token,
                    length: length.min(self.most.0) as u32,
                    send_list: self.buffers.send_list(),
                    send_count: rows.len().min(self.most.1) as u8,
                    ..self.answer
                }
            }
            Some(Answer::Refusal(token, result)) => {
                Submission { operand: token, method: result.unsigned_abs() as u16, ..self.answer }
            }
        };
        submission.handle = endpoint;
        self.release_untaken();
        self.received = 0;
        self.taken.set(0);
        // SAFETY: the buffers are this value's, which lends nothing of them and keeps them until the completion was read.
        unsafe { self.thread.submit(self.slot, submission) }?;
        self.is_in_flight = true;
        Ok(())
    }

    /// True while a receive is in flight.
    #[inline]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// True if the receive has completed; looks at the ring, and does not enter the kernel.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.thread.collect();
        self.is_in_flight && self.thread.completion(self.slot).is_some()
    }

    /// Ends a receive that has completed.
    ///
    /// # Errors
    /// What the completion says; [`Transport::NotFound`] if there is none yet.
    pub(crate) fn finish(&mut self) -> Result<(), CallError> {
        let completion = self.thread.completion(self.slot).filter(|_| self.is_in_flight);
        self.take(completion.ok_or(Transport::NotFound)?)
    }

    #[inline]
    fn take(&mut self, completion: Completion) -> Result<(), CallError> {
        self.is_in_flight = false;
        if completion.result < 0 {
            return CallError::check(completion.result).map(drop);
        }
        self.received = (completion.length as usize).min(self.room_bytes);
        self.arrived = completion.capability_count;
        Ok(())
    }

    /// Cancels the receive that is in flight, and waits for its end.
    ///
    /// # Errors
    /// What the completion says, mostly [`Transport::Cancelled`]; if none, something was received nevertheless.
    pub(crate) fn give_up(&mut self) -> Result<(), CallError> {
        if !self.is_in_flight {
            return Err(Transport::Cancelled.into());
        }
        if !self.is_complete() {
            self.thread.cancel(self.slot);
        }
        let completion = self.thread.wait_for_ever(self.slot);
        self.take(completion)
    }

    /// Hands over everything submitted and waits for any completion; false if `limit` has passed before.
    ///
    /// # Errors
    /// What `enter` says.
    pub(crate) fn wait_some(&self, limit: WaitLimit) -> Result<bool, CallError> {
        Ok(self.thread.wait_some(limit)?)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.give_up();
        self.release_untaken();
        self.thread.give_back_slot(self.slot);
    }
}

/// For a server without room in its message area.
pub(crate) const NO_ROOM: CallError = CallError::Transport(Transport::OutOfMemory);
