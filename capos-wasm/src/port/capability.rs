//! The ports over the capabilities of a capOS process.
//!
//! Made by the `capos-wasm` program from its CapSet; called by [`crate::p1`] through the traits; calls the clients of
//! `capos-rt`.
//!
//! Invariant: one method is one message, and a [`CallError`] is translated here, once, into a [`PortError`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use capos_abi::error::{CallError, Exception, Transport};
use capos_rt::{Cap, CapSet, CapSetError};
use capos_schema::console::Console;
use capos_schema::entropy_source::EntropySource;
use capos_schema::interface::Interface;
use capos_schema::timer::Timer;

use super::{Clock, Growth, PortError, Ports, Random, Stream};

/// The capability with this name; `None` if it was not granted.
///
/// # Errors
/// A sentence, if the name stands for a capability of another interface.
pub fn granted<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Option<Cap<T>>, String> {
    match capabilities.get(name) {
        Ok(capability) => Ok(Some(capability)),
        Err(CapSetError::Missing) => Ok(None),
        Err(CapSetError::WrongInterface) => {
            Err(format!("the capability `{name}` is no {}", T::DESCRIPTION.name))
        }
    }
}

/// The ports of an instance, by the names of its grants.
///
/// # Errors
/// As [`granted`].
pub fn ports(capabilities: &CapSet) -> Result<Ports, String> {
    let stream = |name| -> Result<_, String> {
        let console = granted::<Console>(capabilities, name)?;
        Ok(console.map(|console| Box::new(Output(console)) as Box<dyn Stream>))
    };
    let timer = granted::<Timer>(capabilities, "timer")?;
    let random = granted::<EntropySource>(capabilities, "random")?;
    Ok(Ports {
        stdout: stream("stdout")?,
        stderr: stream("stderr")?,
        clock: timer.map(|timer| Box::new(Monotonic(timer)) as Box<dyn Clock>),
        random: random.map(|source| Box::new(Entropy(source)) as Box<dyn Random>),
        growth: Some(Box::new(Heap)),
    })
}

/// A Console as a stream.
struct Output(Cap<Console>);

impl Stream for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        self.0.write(bytes).map(|written| written as usize).map_err(translate)
    }
}

/// A Timer as the monotonic clock.
struct Monotonic(Cap<Timer>);

impl Clock for Monotonic {
    fn now(&mut self) -> Result<u64, PortError> {
        self.0.now().map_err(translate)
    }

    fn resolution(&mut self) -> Result<u64, PortError> {
        self.0.resolution().map_err(translate)
    }
}

/// An EntropySource as random bytes.
struct Entropy(Cap<EntropySource>);

impl Random for Entropy {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), PortError> {
        let wanted = buffer.len();
        let length = u32::try_from(wanted).map_err(|_| PortError::Impossible("a chunk over the limit"))?;
        match self.0.read(length, buffer).map_err(translate)? {
            read if read == wanted => Ok(()),
            _ => Err(PortError::Impossible("fewer random bytes than were asked for")),
        }
    }
}

/// The heap of this process, in which linear memories lie.
struct Heap;

impl Growth for Heap {
    fn prepare(&mut self, current: usize, desired: usize) -> bool {
        capos_rt::heap::prepare_growth(current, desired)
    }
}

/// What a failed call means to a guest.
fn translate(error: CallError) -> PortError {
    match error {
        CallError::Transport(Transport::MethodDenied | Transport::Revoked) => PortError::Denied,
        CallError::Transport(Transport::Disconnected) | CallError::Exception(Exception::Failed) => {
            PortError::Gone
        }
        CallError::Transport(Transport::LimitReached | Transport::OutOfMemory) => PortError::NoMemory,
        CallError::Exception(Exception::Overloaded) => PortError::NotReady,
        CallError::Transport(other) => PortError::Impossible(other.text()),
        CallError::Exception(other) => PortError::Impossible(other.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_meaning() {
        let meanings = [
            (Transport::MethodDenied, PortError::Denied),
            (Transport::Revoked, PortError::Denied),
            (Transport::Disconnected, PortError::Gone),
            (Transport::LimitReached, PortError::NoMemory),
            (Transport::OutOfMemory, PortError::NoMemory),
        ];
        for (error, meaning) in meanings {
            assert_eq!(translate(error.into()), meaning);
        }
        assert_eq!(translate(Exception::Overloaded.into()), PortError::NotReady);
        assert_eq!(translate(Exception::Failed.into()), PortError::Gone);
    }

    #[test]
    fn what_no_guest_can_cause_is_impossible() {
        for error in Transport::ALL {
            let is_known = meanings_known(*error);
            assert_eq!(matches!(translate((*error).into()), PortError::Impossible(_)), !is_known, "{error}");
        }
        for error in [Exception::Unimplemented, Exception::InvalidArgument] {
            assert_eq!(translate(error.into()), PortError::Impossible(error.text()));
        }
    }

    fn meanings_known(error: Transport) -> bool {
        matches!(
            error,
            Transport::MethodDenied
                | Transport::Revoked
                | Transport::Disconnected
                | Transport::LimitReached
                | Transport::OutOfMemory
        )
    }
}
