//! Serving objects to other processes: the typed counterpart of the clients.
//!
//! A service implements the generated trait of each interface that it serves (`ConsoleServer` for `Console`, one method for
//! each of the interface's), says with [`Server::Interfaces`] which those are, and hands itself to a [`Loop`], which answers
//! one call and waits for the next in one submission. Calls `sys::serving`.
//!
//! ```text
//! enter -> Loop -> Interfaces::dispatch (generated) -> ConsoleServer::write -> answer -> Loop -> enter
//! ```
//!
//! Invariant: what is called, on which object, is what the kernel says and nothing in the message. Each call is answered
//! once: with the handler's answer, with an exception, or later through its [`Kept`].

mod answer;
mod gifts;
mod kept;
mod turns;

use capos_abi::error::Exception;
use capos_schema::interface::Interface;
use capos_schema::wire::DecodeError;

pub use crate::servers::*;
pub use answer::{Answer, Call, Method, Token, Turn, Unanswered};
pub use gifts::{Gifts, Given};
pub use kept::Kept;
pub use turns::{Loop, Next, Sizes};

/// A service: what it serves, and what it wants to hear of its objects and its callers.
pub trait Server: Sized {
    /// An interface, such as `Console`, or a tuple of up to four.
    type Interfaces: Interfaces<Self>;

    /// The last capability to an object with this cookie is gone, and no call through it is in progress. `mint` tells objects
    /// with one cookie apart: it grows by one with each that this endpoint mints.
    fn unreferenced(&mut self, cookie: u64, mint: u64) {
        let _ = (cookie, mint);
    }

    /// The caller of a call that was kept is gone: what was done for it can be given up. Comes once, and only for calls that
    /// have not been answered yet.
    fn abandoned(&mut self, token: Token) {
        let _ = token;
    }
}

/// Interfaces that a service `S` serves: the generated markers, and tuples of them.
pub trait Interfaces<S> {
    /// Capabilities that come with one call at most.
    const ARRIVING: usize;
    /// Capabilities that go with one answer at most.
    const LEAVING: usize;

    /// Hands a call to the method that the kernel names, and writes the answer; returns its bytes.
    ///
    /// # Errors
    /// [`Unanswered`]: the handler's; "invalid argument" for a message that the method's schema does not describe, and
    /// "unimplemented" for an interface or a method that is not served.
    fn dispatch(server: &mut S, interface: u64, turn: Turn<'_>) -> Result<usize, Unanswered>;
}

macro_rules! interfaces_of_tuples {
    ($($name:ident)+) => {
        impl<S, $($name: Interfaces<S> + Interface),+> Interfaces<S> for ($($name,)+) {
            const ARRIVING: usize = most(&[$($name::ARRIVING),+]);
            const LEAVING: usize = most(&[$($name::LEAVING),+]);

            #[inline]
            fn dispatch(server: &mut S, interface: u64, turn: Turn<'_>) -> Result<usize, Unanswered> {
                $(if interface == $name::DESCRIPTION.id {
                    return $name::dispatch(server, interface, turn);
                })+
                Err(NOT_SERVED)
            }
        }
    };
}

interfaces_of_tuples!(A B);
interfaces_of_tuples!(A B C);
interfaces_of_tuples!(A B C D);

const fn most(counts: &[usize]) -> usize {
    let (mut most, mut index) = (0, 0);
    while index < counts.len() {
        if counts[index] > most {
            most = counts[index];
        }
        index += 1;
    }
    most
}

/// For a method or an interface that the service does not have.
pub(crate) const NOT_SERVED: Unanswered = Unanswered::Refused(Exception::Unimplemented);

/// For a message that the method's schema does not describe.
pub(crate) fn malformed(_: DecodeError) -> Unanswered {
    Unanswered::Refused(Exception::InvalidArgument)
}
