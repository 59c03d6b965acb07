//! The server loop: answer one call and wait for the next, in one submission.
//!
//! Used by services; calls `sys::serving` and, through [`Interfaces`], the generated dispatch.
//!
//! Invariant: an answer goes out with the next wait. What the transport refuses to deliver is settled here: its caller has gone
//! or gets an exception, what was to be given away is released, and the loop goes on.

use core::convert::Infallible;

use capos_abi::error::{CallError, Exception};
use capos_abi::ring::{EVENT_ABANDONED, EVENT_UNREFERENCED, KERNEL_INTERFACE, RECEIVED_HEADER_BYTES};
use capos_schema::endpoint::Endpoint;

use super::answer::{Token, Turn, Unanswered};
use super::gifts::Gifts;
use super::{Interfaces, Server, kept};
use crate::call::{Call, Deadline};
use crate::capability::Cap;
use crate::sys::operation::Sizes as Buffers;
use crate::sys::serving::{Answer, NO_ROOM, Serving};
use crate::untyped::header_of;

/// Bytes of the largest messages that a service takes and gives. Larger calls are refused to their callers as "too large", and
/// larger answers become the exception "failed". What fits the message area costs least; up to 64 KiB lie on the heap.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of the parameters.
    pub request: usize,
    /// Of the results.
    pub reply: usize,
}

/// Why [`Loop::next`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A call or an event was handed to the service.
    Served,
    /// The call at this place of the list is complete.
    Other(usize),
    /// The deadline has passed.
    Deadline,
}

/// What the next submission says of the call in hand.
#[derive(Clone, Copy)]
enum Due {
    Nothing,
    Answer(Token, usize),
    Refusal(Token, Exception),
}

/// Serves one endpoint. Dropping it ends the receive; a call that it has taken by then is refused as "overloaded".
pub struct Loop<'e> {
    endpoint: &'e Cap<Endpoint>,
    serving: Serving,
    gifts: Gifts,
    due: Due,
}

impl<'e> Loop<'e> {
    /// A loop for services `S` with messages of these sizes.
    ///
    /// # Errors
    /// "Out of memory" without memory for them, or if they are more than a message may have.
    pub fn new<S: Server>(endpoint: &'e Cap<Endpoint>, sizes: Sizes) -> Result<Loop<'e>, CallError> {
        let buffers = Buffers {
            parameters: sizes.reply,
            results: sizes.request.saturating_add(RECEIVED_HEADER_BYTES),
            sends: S::Interfaces::LEAVING,
            mints: S::Interfaces::LEAVING,
            receives: S::Interfaces::ARRIVING,
        };
        let serving = Serving::new(buffers).ok_or(NO_ROOM)?;
        Ok(Loop { endpoint, serving, gifts: Gifts::new(), due: Due::Nothing })
    }

    /// Serves until the endpoint gives no more.
    ///
    /// # Errors
    /// What the transport says of the receive side: "disconnected", "revoked" and the like.
    pub fn run<S: Server>(&mut self, server: &mut S) -> Result<Infallible, CallError> {
        self.wait(server, &[], Deadline::NEVER)?;
        loop {
            let endpoint = self.endpoint.raw();
            let received = match answer_of(self.due, &self.gifts) {
                Some(Answer::Plain(token, length)) => self.serving.turn(endpoint, token, length),
                answered => self.serving.round(endpoint, answered),
            };
            self.received(server, received)?;
        }
    }

    /// Waits for a call, hands it to the service, and returns; or returns when one of `others` is complete, or at `deadline`.
    /// An answer goes out with the next wait, or with [`Loop::submit`].
    ///
    /// # Errors
    /// As for [`Loop::run`]; "no timer" if the deadline's Timer is no longer live.
    pub fn next<S: Server>(
        &mut self,
        server: &mut S,
        others: &[&Call],
        deadline: Deadline<'_>,
    ) -> Result<Next, CallError> {
        self.submit()?;
        self.wait(server, others, deadline)
    }

    /// Gives the answer that is due and begins to receive; the kernel takes both at the next wait or
    /// [`flush`](crate::flush).
    ///
    /// # Errors
    /// "Limit reached" if the submission ring is full.
    pub fn submit(&mut self) -> Result<(), CallError> {
        if self.serving.is_in_flight() {
            return Ok(());
        }
        self.serving.begin(self.endpoint.raw(), answer_of(self.due, &self.gifts))
    }

    /// Waits for what was submitted; returns at once if nothing was.
    fn wait<S: Server>(
        &mut self,
        server: &mut S,
        others: &[&Call],
        deadline: Deadline<'_>,
    ) -> Result<Next, CallError> {
        while self.serving.is_in_flight() {
            if self.serving.is_complete() {
                let received = self.serving.finish();
                if self.received(server, received)? {
                    return Ok(Next::Served);
                }
                self.submit()?;
            } else if let Some(place) = others.iter().position(|other| other.is_complete()) {
                return Ok(Next::Other(place));
            } else if !self.serving.wait_some(deadline.limit())? {
                return Ok(Next::Deadline);
            }
        }
        Ok(Next::Served)
    }

    /// Hands over what was received; false if the answer before it was refused and nothing was received.
    #[inline(always)] // In the loop.
    fn received<S: Server>(
        &mut self,
        server: &mut S,
        received: Result<(), CallError>,
    ) -> Result<bool, CallError> {
        match received {
            Ok(()) => {
                self.gifts.forget();
                self.due = self.hand_over(server)?;
                Ok(true)
            }
            Err(error) => self.settle(error).map(|()| false),
        }
    }

    #[inline(always)] // As above.
    fn hand_over<S: Server>(&mut self, server: &mut S) -> Result<Due, CallError> {
        let (received, reply) = self.serving.hand();
        let header = header_of(received.bytes)?;
        let token = Token(header.token);
        if header.interface == KERNEL_INTERFACE {
            match header.method {
                EVENT_UNREFERENCED => server.unreferenced(header.cookie, header.token),
                EVENT_ABANDONED => server.abandoned(token),
                _ => {}
            }
            return Ok(Due::Nothing);
        }
        let message = received.bytes.get(RECEIVED_HEADER_BYTES..).unwrap_or_default();
        let turn = Turn { header, message, reply, gifts: &mut self.gifts, received: &received };
        let dispatched = S::Interfaces::dispatch(server, header.interface, turn);
        if let (Ok(length), false) = (dispatched, self.gifts.is_kept) {
            return Ok(Due::Answer(token, length));
        }
        let is_kept = core::mem::replace(&mut self.gifts.is_kept, false);
        self.gifts.release();
        Ok(match dispatched {
            _ if is_kept => Due::Nothing,
            Err(Unanswered::Refused(exception)) => Due::Refusal(token, exception),
            Ok(_) | Err(Unanswered::Later) => Due::Refusal(token, Exception::Failed),
        })
    }

    /// What the transport says of an answer, or of the receive.
    #[cold]
    fn settle(&mut self, error: CallError) -> Result<(), CallError> {
        let due = core::mem::replace(&mut self.due, Due::Nothing);
        self.gifts.release();
        match due {
            Due::Nothing => Err(error),
            // If the call has ended nevertheless, the token names nothing.
            Due::Answer(token, _) | Due::Refusal(token, _) => {
                let _ = kept::refuse(token, Exception::Failed);
                Ok(())
            }
        }
    }
}

#[inline]
fn answer_of(due: Due, gifts: &Gifts) -> Option<Answer<'_>> {
    match due {
        Due::Nothing => None,
        Due::Answer(token, length) if gifts.rows().is_empty() => Some(Answer::Plain(token.0, length)),
        Due::Answer(token, length) => Some(Answer::With(token.0, length, gifts.rows())),
        Due::Refusal(token, exception) => Some(Answer::Refusal(token.0, exception.result())),
    }
}

impl Drop for Loop<'_> {
    fn drop(&mut self) {
        if matches!(self.due, Due::Nothing) && !self.serving.is_in_flight() {
            return;
        }
        // What is due goes out in front of a receive that is then given up.
        if let Err(error) = self.submit().and_then(|()| self.serving.give_up()) {
            let _ = self.settle(error);
            return;
        }
        self.gifts.forget();
        if let Ok(header) = header_of(self.serving.hand().0.bytes)
            && header.interface != KERNEL_INTERFACE
        {
            let _ = kept::refuse(Token(header.token), Exception::Overloaded);
        }
    }
}
