//! Calls and their service without types: messages as bytes.
//!
//! What generated clients and server stubs do for one interface, for any: used by servers, and by programs that test the
//! kernel. Calls `sys::operation`.
//!
//! Invariant: buffers are given back only after the kernel has let go of them; capabilities that came and that nobody took
//! are released.

use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::CAPABILITIES_MAX;
use capos_abi::ring::{KERNEL_INTERFACE, Mint, RECEIVED_HEADER_BYTES, ReceivedHeader};
use capos_schema::endpoint::Endpoint;
use capos_schema::interface::Interface;
use capos_schema::wire::EncodeError;

use crate::call::{Deadline, alone, copy_out};
use crate::capability::{Cap, Capability, IMPOSSIBLE_REPLY};
use crate::sys::lent;
use crate::sys::operation::{Finished, Operation, Sent, Sizes};
use crate::sys::serving::{NO_ROOM, Serving};

/// What fits: bytes of a message and capabilities beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Bytes.
    pub bytes: usize,
    /// Capabilities, at most 16.
    pub capabilities: usize,
}

/// What goes along with a message, in the order in which the message refers to it.
#[derive(Clone, Copy)]
pub enum Outgoing<'c> {
    /// The receiver gets a copy of this capability.
    Copy(&'c dyn Capability),
    /// This one leaves the process, if the message is delivered: forget it then.
    Move(&'c dyn Capability),
    /// A new object of the endpoint; in replies alone.
    Mint(Mint),
}

fn row(capability: &Outgoing<'_>) -> Sent {
    match capability {
        Outgoing::Copy(capability) => Sent::Copy(capability.handle()),
        Outgoing::Move(capability) => Sent::Move(capability.handle()),
        Outgoing::Mint(mint) => Sent::Mint(*mint),
    }
}

/// An operation with a message and capabilities in it, not submitted yet.
fn outgoing(
    message: &[u8],
    capabilities: &[Outgoing<'_>],
    results: usize,
    receives: usize,
) -> Result<Operation, CallError> {
    let mints = capabilities.iter().filter(|one| matches!(one, Outgoing::Mint(_))).count();
    let sizes = Sizes { parameters: message.len(), sends: capabilities.len(), mints, results, receives };
    let mut operation = Operation::prepare(sizes)?;
    let place = operation.parameters_mut().get_mut(..message.len());
    place.ok_or(Transport::TooLarge)?.copy_from_slice(message);
    if !capabilities.is_empty() {
        // An operation with more was refused.
        let mut rows = [Sent::Copy(Handle::NULL); CAPABILITIES_MAX];
        rows.iter_mut().zip(capabilities).for_each(|(place, capability)| *place = row(capability));
        operation.set_rows(rows.get(..capabilities.len()).unwrap_or_default());
    }
    Ok(operation)
}

/// A call or a receive in progress. Dropping it cancels it and waits for the acknowledgement; a call that a dropped receive
/// has taken is answered "overloaded".
pub struct Progress {
    /// There until it is waited for.
    operation: Option<Operation>,
    /// Bytes in front of the message.
    header: usize,
}

impl Progress {
    /// True if it has completed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.operation.as_ref().is_none_or(Operation::is_complete)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What the object or the transport says.
    pub fn wait(self) -> Result<Incoming, CallError> {
        self.wait_until(Deadline::NEVER)
    }

    /// Waits for its end up to a point in time; then cancels it.
    ///
    /// # Errors
    /// [`Transport::Cancelled`] after the deadline; what the object or the transport says.
    pub fn wait_until(mut self, deadline: Deadline<'_>) -> Result<Incoming, CallError> {
        let operation = self.operation.take().ok_or(IMPOSSIBLE_REPLY)?;
        Ok(Incoming { finished: operation.finish(deadline.limit())?, header: self.header })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(operation) = self.operation.take().filter(|_| self.header > 0) else { return };
        let Ok(finished) = operation.give_up() else { return };
        let taken = Incoming { finished, header: self.header };
        if let Ok(header) = taken.header()
            && header.interface != KERNEL_INTERFACE
        {
            // If its caller has gone too, all is well.
            let _ = refuse(header.token, Exception::Overloaded);
        }
    }
}

/// What has come: the reply to a call, or a call.
pub struct Incoming {
    finished: Finished,
    header: usize,
}

impl Incoming {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.finished.message().get(self.header..).unwrap_or_default()
    }

    /// Takes the capability at `index` of what came along, as one of interface `T`: the kernel compares at each call.
    #[must_use]
    pub fn take<T: Interface>(&self, index: u32) -> Option<Cap<T>> {
        self.finished.take_handle(index).map(|handle| Cap::adopt(handle, true))
    }

    /// Of what a receive brought: who called what.
    ///
    /// # Errors
    /// [`Transport::BadMessage`] for a reply.
    pub fn header(&self) -> Result<ReceivedHeader, CallError> {
        if self.header == 0 { Err(IMPOSSIBLE_REPLY) } else { header_of(self.finished.message()) }
    }
}

/// The kernel's words in front of a received message.
#[inline]
pub(crate) fn header_of(bytes: &[u8]) -> Result<ReceivedHeader, CallError> {
    let (words, _) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; RECEIVED_HEADER_BYTES / 8] = words.first_chunk().ok_or(IMPOSSIBLE_REPLY)?;
    Ok(ReceivedHeader::decode(&words.map(u64::from_le_bytes)))
}

/// A server that handles one call at a time, without capabilities: the short way.
pub struct Server<'e> {
    endpoint: &'e Cap<Endpoint>,
    serving: Serving,
}

impl<'e> Server<'e> {
    /// A server with room for replies of `reply` and calls of `room` bytes, both in the message area.
    ///
    /// # Errors
    /// [`Transport::OutOfMemory`] if they do not fit there.
    pub fn new(endpoint: &'e Cap<Endpoint>, reply: usize, room: usize) -> Result<Server<'e>, CallError> {
        let results = room.saturating_add(RECEIVED_HEADER_BYTES);
        let sizes = Sizes { parameters: reply, results, ..Sizes::default() };
        let serving = Serving::new(sizes).ok_or(NO_ROOM)?;
        Ok(Server { endpoint, serving })
    }

    /// Waits for a call.
    ///
    /// # Errors
    /// What the transport says.
    #[inline]
    pub fn receive(&mut self) -> Result<ReceivedHeader, CallError> {
        self.serving.round(self.endpoint.raw(), None)?;
        header_of(self.serving.hand().0.bytes)
    }

    /// Answers the call of `token` with the first `length` bytes of the reply buffer and waits for the next.
    ///
    /// # Errors
    /// What the transport says of the reply, and then nothing was received; or of the receive.
    #[inline]
    pub fn reply_and_receive(&mut self, token: u64, length: usize) -> Result<ReceivedHeader, CallError> {
        self.serving.turn(self.endpoint.raw(), token, length)?;
        header_of(self.serving.hand().0.bytes)
    }

    /// The message that was received, and the buffer for the reply.
    #[inline]
    pub fn buffers(&mut self) -> (&[u8], &mut [u8]) {
        let (received, reply) = self.serving.hand();
        (received.bytes.get(RECEIVED_HEADER_BYTES..).unwrap_or_default(), reply)
    }
}

impl<T: Interface> Cap<T> {
    /// Begins a call of any method.
    ///
    /// # Errors
    /// If it cannot be submitted.
    pub fn begin_untyped(
        &self,
        method: u16,
        message: &[u8],
        capabilities: &[Outgoing<'_>],
        room: Room,
    ) -> Result<Progress, CallError> {
        let mut operation = outgoing(message, capabilities, room.bytes, room.capabilities)?;
        operation.submit_call(self.raw(), T::DESCRIPTION.id, method, message.len())?;
        Ok(Progress { operation: Some(operation), header: 0 })
    }

    /// Calls any method with bytes alone; returns how many came into `reply`. If they are few the call goes the short way, and
    /// if they are many and aligned to words the kernel copies them from where they are and to where they go.
    ///
    /// # Errors
    /// What the object or the transport says.
    #[inline]
    pub fn call_bytes(&self, method: u16, message: &[u8], reply: &mut [u8]) -> Result<usize, CallError> {
        if message.len().max(reply.len()) > lent::LEAST
            && let Some(result) = lent::call((self.raw(), T::DESCRIPTION.id, method), message, reply)
        {
            return result;
        }
        let sizes = Sizes { parameters: message.len(), results: reply.len(), ..Sizes::default() };
        alone(
            self,
            method,
            sizes,
            |out| {
                if !message.is_empty() {
                    out.get_mut(..message.len()).ok_or(EncodeError::BufferTooSmall)?.copy_from_slice(message);
                }
                Ok(message.len())
            },
            |bytes| if bytes.is_empty() { Ok(0) } else { copy_out(bytes, reply) },
        )
    }

    /// Calls any method.
    ///
    /// # Errors
    /// What the object or the transport says.
    pub fn call_untyped(
        &self,
        method: u16,
        message: &[u8],
        capabilities: &[Outgoing<'_>],
        room: Room,
    ) -> Result<Incoming, CallError> {
        self.begin_untyped(method, message, capabilities, room)?.wait()
    }
}

impl Cap<Endpoint> {
    /// Begins to wait for a call that fits `room`.
    ///
    /// # Errors
    /// If it cannot be submitted.
    pub fn begin_accept(&self, room: Room) -> Result<Progress, CallError> {
        let mut operation = outgoing(&[], &[], room.bytes + RECEIVED_HEADER_BYTES, room.capabilities)?;
        operation.submit_receive(self.raw())?;
        Ok(Progress { operation: Some(operation), header: RECEIVED_HEADER_BYTES })
    }

    /// Replies to the call of `token` and begins to wait for the next one, in one submission. If the reply is refused,
    /// nothing is received.
    ///
    /// # Errors
    /// If it cannot be submitted.
    pub fn begin_reply_and_accept(
        &self,
        token: u64,
        message: &[u8],
        capabilities: &[Outgoing<'_>],
        room: Room,
    ) -> Result<Progress, CallError> {
        let bytes = room.bytes + RECEIVED_HEADER_BYTES;
        let mut operation = outgoing(message, capabilities, bytes, room.capabilities)?;
        operation.submit_return(token, message.len(), Some(self.raw()))?;
        Ok(Progress { operation: Some(operation), header: RECEIVED_HEADER_BYTES })
    }
}

/// Replies to the call of `token`.
///
/// # Errors
/// [`Transport::CallerGone`]; [`Transport::TooLarge`] and [`Transport::NoSlot`] if the reply does not fit what the caller
/// stated, which ends the call for it too; else what is wrong with the reply, and the token stays good.
pub fn reply(token: u64, message: &[u8], capabilities: &[Outgoing<'_>]) -> Result<(), CallError> {
    let mut operation = outgoing(message, capabilities, 0, 0)?;
    operation.submit_return(token, message.len(), None)?;
    operation.finish(Deadline::NEVER.limit()).map(|_| ())
}

/// Answers the call of `token` with an exception.
///
/// # Errors
/// [`Transport::CallerGone`].
pub fn refuse(token: u64, exception: Exception) -> Result<(), CallError> {
    let mut operation = outgoing(&[], &[], 0, 0)?;
    operation.submit_exception(token, exception)?;
    operation.finish(Deadline::NEVER.limit()).map(|_| ())
}

/// A handle as a capability to be named and not owned, for what is done by hand.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Handle);

impl Capability for Named {
    fn handle(&self) -> Handle {
        self.0
    }
}
