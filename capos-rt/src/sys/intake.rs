//! A server that receives calls into the memory of its device: what a client sends is copied once, by the kernel.
//!
//! Called by drivers; calls `serving`. Of a received message the driver gets the buffer itself, to hand it to the device; it
//! gives one back before it receives the next call.
//!
//! Invariant: while a receive is in flight the buffer is the kernel's: it is lent and taken only in between.

use core::ptr::NonNull;

use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::message::MESSAGE_BYTES_MAX;
use capos_abi::ring::{KERNEL_INTERFACE, RECEIVED_HEADER_BYTES, ReceivedHeader};
use capos_schema::endpoint::Endpoint;

use super::dma::DmaBuffer;
use super::operation::Sizes;
use super::serving::{Answer, NO_ROOM, Serving};
use crate::call::flush;
use crate::capability::Cap;
use crate::untyped::{header_of, refuse};

/// A call that has come.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who called what.
    pub header: ReceivedHeader,
    /// Bytes of its message.
    pub bytes: usize,
}

/// What the next submission says of the call in hand.
#[derive(Clone, Copy)]
enum Due {
    Nothing,
    Answer(u64, usize),
    Refusal(u64, Exception),
}

/// Serves one endpoint, one call at a time, without capabilities. Events of the kernel are left out: what a service mints
/// itself is not for it.
pub struct Intake<'e> {
    endpoint: &'e Cap<Endpoint>,
    // Dropped before the buffer: it ends the receive.
    serving: Serving,
    buffer: Option<DmaBuffer>,
    due: Due,
}

impl<'e> Intake<'e> {
    /// Where the message begins in the buffer.
    pub const MESSAGE_START: usize = RECEIVED_HEADER_BYTES;

    /// A server with room for answers of `answer` bytes, and for calls as the buffers allow that it is given. It begins with
    /// `buffer`.
    ///
    /// # Errors
    /// "Out of memory".
    pub fn new(
        endpoint: &'e Cap<Endpoint>,
        buffer: DmaBuffer,
        answer: usize,
    ) -> Result<Intake<'e>, CallError> {
        let serving = Serving::new(Sizes { parameters: answer, ..Sizes::default() }).ok_or(NO_ROOM)?;
        Ok(Intake { endpoint, serving, buffer: Some(buffer), due: Due::Nothing })
    }

    /// Gives the answer that is due, and waits for the next call.
    ///
    /// # Errors
    /// What the transport says of the receive side; [`Transport::BadMessage`] without a buffer.
    pub fn wait(&mut self) -> Result<Arrival, CallError> {
        loop {
            let received = if self.serving.is_in_flight() {
                while !self.serving.is_complete() {
                    self.serving.wait_some(super::thread::WaitLimit::NEVER)?;
                }
                self.serving.finish()
            } else {
                self.prepare()?;
                self.serving.round(self.endpoint.raw(), answer_of(self.due))
            };
            if let Some(arrival) = self.settle(received)? {
                return Ok(arrival);
            }
        }
    }

    /// Gives the answer that is due, and looks whether a call is there already. If none is, [`Intake::wait`] or this comes
    /// next.
    ///
    /// # Errors
    /// As for [`Intake::wait`].
    pub fn look(&mut self) -> Result<Option<Arrival>, CallError> {
        loop {
            if !self.serving.is_in_flight() {
                self.prepare()?;
                self.serving.begin(self.endpoint.raw(), answer_of(self.due))?;
            }
            flush();
            if !self.serving.is_complete() {
                return Ok(None);
            }
            let received = self.serving.finish();
            if let Some(arrival) = self.settle(received)? {
                return Ok(Some(arrival));
            }
        }
    }

    /// The call in hand will be answered with what `write` puts into the buffer for it; `write` returns its bytes.
    pub fn answer(&mut self, arrival: Arrival, write: impl FnOnce(&mut [u8]) -> usize) {
        let length = write(self.serving.hand().1);
        self.due = Due::Answer(arrival.header.token, length);
    }

    /// The call in hand will be answered with an exception.
    pub fn refuse(&mut self, arrival: Arrival, exception: Exception) {
        self.due = Due::Refusal(arrival.header.token, exception);
    }

    /// The message in hand; empty while a receive is in flight or the buffer is away.
    #[must_use]
    pub fn message(&mut self) -> &[u8] {
        if self.buffer.is_none() {
            return &[];
        }
        self.serving.hand().0.bytes.get(RECEIVED_HEADER_BYTES..).unwrap_or_default()
    }

    /// Takes the buffer with the message in hand; `None` while a receive is in flight.
    pub fn take(&mut self) -> Option<DmaBuffer> {
        if self.serving.is_in_flight() { None } else { self.buffer.take() }
    }

    /// Gives a buffer to receive the next call into. One that is there already is dropped.
    ///
    /// # Errors
    /// Gives it back while a receive is in flight.
    pub fn give_back(&mut self, buffer: DmaBuffer) -> Result<(), DmaBuffer> {
        if self.serving.is_in_flight() {
            return Err(buffer);
        }
        self.buffer = Some(buffer);
        Ok(())
    }

    /// Points the receive at the buffer.
    fn prepare(&mut self) -> Result<(), CallError> {
        let bytes = self.buffer.as_mut().ok_or(Transport::BadMessage)?.bytes_mut();
        let (room, length) = (NonNull::from_mut(&mut *bytes).cast(), bytes.len().min(MESSAGE_BYTES_MAX));
        // SAFETY: mapped memory of this value's buffer, which is neither lent nor taken while a receive is in flight, and
        // lent to read alone while `serving` lends it; dropped behind `serving`.
        unsafe { self.serving.receive_into(room, length) }
    }

    /// What was received; `None` for an event, and if the answer before it was refused and nothing was received.
    fn settle(&mut self, received: Result<(), CallError>) -> Result<Option<Arrival>, CallError> {
        let due = core::mem::replace(&mut self.due, Due::Nothing);
        match (received, due) {
            (Ok(()), _) => {
                let bytes = self.serving.hand().0.bytes;
                let header = header_of(bytes)?;
                let bytes = bytes.len().saturating_sub(RECEIVED_HEADER_BYTES);
                Ok((header.interface != KERNEL_INTERFACE).then_some(Arrival { header, bytes }))
            }
            (Err(error), Due::Nothing) => Err(error),
            (Err(_), Due::Answer(token, _) | Due::Refusal(token, _)) => {
                // If the call has ended nevertheless, the token names nothing.
                let _ = refuse(token, Exception::Failed);
                Ok(None)
            }
        }
    }
}

fn answer_of(due: Due) -> Option<Answer<'static>> {
    match due {
        Due::Nothing => None,
        Due::Answer(token, length) => Some(Answer::Plain(token, length)),
        Due::Refusal(token, exception) => Some(Answer::Refusal(token, exception.result())),
    }
}
