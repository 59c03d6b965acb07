//! Calls that are answered later.
//!
//! Made by a handler's [`Call::keep`](super::Call::keep); calls `sys::operation`.
//!
//! Invariant: a call that was kept is answered once: a [`Kept`] that is dropped refuses it, so no caller waits for nothing.

use core::marker::PhantomData;

use capos_abi::error::{CallError, Exception, Transport};

use super::answer::{Method, Token};
use super::gifts::Gifts;
use crate::sys::operation::{Operation, Sizes};
use crate::sys::thread::WaitLimit;

/// A call of the method `M` that waits for its answer. Dropping it answers "failed".
pub struct Kept<M: Method> {
    token: Token,
    method: PhantomData<fn() -> M>,
}

impl<M: Method> Kept<M> {
    pub(super) fn new(token: Token) -> Kept<M> {
        Kept { token, method: PhantomData }
    }

    /// Its name, as [`Server::abandoned`](super::Server::abandoned) tells it.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Answers.
    ///
    /// # Errors
    /// As for [`Kept::answer_with`].
    pub fn answer(self, answer: M::Answer<'_>) -> Result<(), CallError> {
        self.answer_with(answer, Gifts::new())
    }

    /// Answers, with capabilities.
    ///
    /// # Errors
    /// [`Transport::CallerGone`]; [`Transport::TooLarge`] and [`Transport::NoSlot`] if it does not fit what the caller stated,
    /// which ends the call for it too; for what is wrong with the answer itself the caller gets "failed".
    pub fn answer_with(self, answer: M::Answer<'_>, mut gifts: Gifts) -> Result<(), CallError> {
        let answered = send::<M>(self.token, answer, &gifts);
        match answered {
            Ok(()) => gifts.forget(),
            Err(_) => gifts.release(),
        }
        if is_settled(answered) {
            core::mem::forget(self);
        }
        answered
    }

    /// Answers with an exception.
    ///
    /// # Errors
    /// [`Transport::CallerGone`].
    pub fn refuse(self, exception: Exception) -> Result<(), CallError> {
        let token = self.token;
        core::mem::forget(self);
        refuse(token, exception)
    }

    /// Forgets a call that was abandoned: nobody waits for it.
    pub fn forget(self) {
        core::mem::forget(self);
    }
}

/// True if the call has ended by this.
fn is_settled(answered: Result<(), CallError>) -> bool {
    use Transport::{CallerGone, NoSlot, TooLarge};
    matches!(answered, Ok(()) | Err(CallError::Transport(CallerGone | TooLarge | NoSlot)))
}

fn send<M: Method>(token: Token, answer: M::Answer<'_>, gifts: &Gifts) -> Result<(), CallError> {
    let rows = gifts.rows();
    let mut prepared = None;
    let mut refusal = CallError::Transport(Transport::TooLarge);
    let length = M::encode(answer, |bytes| {
        let sizes = Sizes { parameters: bytes, sends: rows.len(), mints: rows.len(), ..Sizes::default() };
        match Operation::prepare(sizes) {
            Ok(operation) => Some(prepared.insert(operation).parameters_mut()),
            Err(error) => {
                refusal = error;
                None
            }
        }
    });
    let (Some(mut operation), Ok(length)) = (prepared, length) else { return Err(refusal) };
    if !rows.is_empty() {
        operation.set_rows(rows);
    }
    operation.submit_return(token.0, length, None)?;
    operation.finish(WaitLimit::NEVER).map(|_| ())
}

/// Answers the call of `token` with an exception.
pub(super) fn refuse(token: Token, exception: Exception) -> Result<(), CallError> {
    let mut operation = Operation::prepare(Sizes::default())?;
    operation.submit_exception(token.0, exception)?;
    operation.finish(WaitLimit::NEVER).map(|_| ())
}

impl<M: Method> Drop for Kept<M> {
    fn drop(&mut self) {
        // If its caller has gone too, all is well.
        let _ = refuse(self.token, Exception::Failed);
    }
}
