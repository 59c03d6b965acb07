//! One call in the hands of its server: what came, and what a handler can do about it.
//!
//! Made by `turns`, passed by the generated dispatch to the handlers.
//!
//! Invariant: a [`Call`] is good for the method that it is of, and the answer's type is that method's.

use core::marker::PhantomData;

use capos_abi::error::Exception;
use capos_abi::ring::ReceivedHeader;
use capos_schema::interface::Interface;
use capos_schema::wire::EncodeError;

use super::gifts::{Gifts, Given};
use super::kept::Kept;
use crate::capability::{Cap, Capability};
use crate::sys::serving::Received;

/// What a handler returns.
pub type Answer<T> = Result<T, Unanswered>;

/// Why a call is not answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The caller gets this exception.
    Refused(Exception),
    /// The handler has kept the call ([`Call::keep`]). One that has not, and says so, refuses it as "failed".
    Later,
}

impl From<Exception> for Unanswered {
    fn from(exception: Exception) -> Unanswered {
        Unanswered::Refused(exception)
    }
}

/// A method of an interface, for what depends on the type of its answer.
pub trait Method {
    /// What it answers: nothing, its one result, or the struct of its results.
    type Answer<'a>;

    /// Writes the message of an answer into what `room` gives for its bytes; returns them.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`] if that is less, or `None`.
    fn encode<'o>(
        answer: Self::Answer<'_>,
        room: impl FnOnce(usize) -> Option<&'o mut [u8]>,
    ) -> Result<usize, EncodeError>;
}

/// The name of a call from when it is received until it is answered or abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(crate) u64);

/// A call, for the generated dispatch.
pub struct Turn<'t> {
    pub(super) header: ReceivedHeader,
    pub(super) message: &'t [u8],
    pub(super) reply: &'t mut [u8],
    pub(super) gifts: &'t mut Gifts,
    pub(super) received: &'t Received<'t>,
}

impl<'t> Turn<'t> {
    /// The method that the kernel names.
    #[inline]
    #[must_use]
    pub fn method(&self) -> u16 {
        self.header.method
    }

    /// The parameters.
    #[inline]
    #[must_use]
    pub fn message(&self) -> &'t [u8] {
        self.message
    }

    /// Takes a capability that came along, as one of interface `T`: the kernel compares at each call.
    ///
    /// # Errors
    /// "invalid argument" if there is none at this place, or it was taken.
    pub fn capability<T: Interface>(&self, index: Option<u32>) -> Result<Cap<T>, Unanswered> {
        let handle = index.and_then(|index| self.received.take_handle(index));
        let handle = handle.ok_or(Unanswered::Refused(Exception::InvalidArgument))?;
        Ok(Cap::adopt(handle, true))
    }

    /// What the handler gets of it.
    #[inline]
    pub fn call<M: Method>(&mut self) -> Call<'_, M> {
        Call { header: self.header, gifts: self.gifts, method: PhantomData }
    }

    /// Writes the answer; returns its bytes.
    ///
    /// # Errors
    /// "failed" if the service has less room for answers than this one takes.
    #[inline]
    pub fn answer<M: Method>(&mut self, answer: M::Answer<'_>) -> Result<usize, Unanswered> {
        let reply = &mut *self.reply;
        M::encode(answer, |_| Some(reply)).map_err(|_| Unanswered::Refused(Exception::Failed))
    }
}

/// A call of the method `M`, for its handler: who calls, and what goes along with the answer.
pub struct Call<'c, M: Method> {
    header: ReceivedHeader,
    gifts: &'c mut Gifts,
    method: PhantomData<fn() -> M>,
}

impl<M: Method> Call<'_, M> {
    /// The cookie of the object that is called: 0 for the endpoint's root, else what this server chose when it minted it.
    #[inline]
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.header.cookie
    }

    /// The caller gets a copy of this capability.
    pub fn copy<T: Interface>(&mut self, capability: &Cap<T>) -> Given<T> {
        self.gifts.copy(capability)
    }

    /// The caller gets a copy of this capability, whatever its interface.
    pub fn copy_any(&mut self, capability: &dyn Capability) -> Given<crate::Untyped> {
        self.gifts.copy_any(capability)
    }

    /// This capability leaves the process. It stays if the answer does not arrive, and is released then.
    pub fn give<T: Interface>(&mut self, capability: Cap<T>) -> Given<T> {
        self.gifts.give(capability)
    }

    /// The caller gets a new object of this endpoint, charged to it. It permits `methods`, bit n method n, and comes back with
    /// `cookie` in each call. It hangs under the capability through which this call came, and goes when that is revoked.
    pub fn mint<T: Interface>(&mut self, cookie: u64, methods: u64) -> Given<T> {
        self.gifts.mint(cookie, methods)
    }

    /// Keeps the call, to be answered later; the handler then returns [`Unanswered::Later`].
    #[must_use]
    pub fn keep(self) -> Kept<M> {
        self.gifts.is_kept = true;
        Kept::new(Token(self.header.token))
    }
}
