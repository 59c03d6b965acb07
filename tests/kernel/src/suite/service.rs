//! An endpoint that the suite serves itself, for tests of calls.
//!
//! Used by the subjects about endpoints. The suite is client and server at once: what it begins as one it ends as the other.
//!
//! Invariant: each test has an endpoint of its own, which is closed behind it.

use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::CallError;
use capos_rt::abi::ring::{KERNEL_INTERFACE, ReceivedHeader};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{self, Incoming, Outgoing, Progress, Room};
use capos_rt::{Cap, flush};

use crate::context::Context;
use crate::harness::{Outcome, check, done, equal};

/// Room for small messages.
pub(crate) const SMALL: Room = Room { bytes: 64, capabilities: 0 };
/// Room for small messages and all the capabilities that there can be.
pub(crate) const CARRIES: Room = Room { bytes: 64, capabilities: 16 };

/// Receive side and root object.
pub(crate) struct Service {
    pub(crate) endpoint: Cap<Endpoint>,
    pub(crate) root: Cap<Probe>,
}

/// Makes an endpoint.
pub(crate) fn create(context: &Context) -> Result<Service, String> {
    let made = done("create endpoint", context.spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS))?;
    Ok(Service { endpoint: made.receiver, root: made.root.typed() })
}

/// A call that was received.
pub(crate) struct Received {
    pub(crate) header: ReceivedHeader,
    pub(crate) incoming: Incoming,
}

impl Received {
    /// Takes a receive apart.
    pub(crate) fn of(incoming: Result<Incoming, CallError>) -> Result<Received, String> {
        let incoming = done("receive", incoming)?;
        let header = done("header", incoming.header())?;
        Ok(Received { header, incoming })
    }

    /// Answers it.
    pub(crate) fn reply(&self, message: &[u8], capabilities: &[Outgoing<'_>]) -> Outcome {
        done("reply", untyped::reply(self.header.token, message, capabilities))
    }
}

impl Service {
    /// Begins a call and hands it over.
    pub(crate) fn begin(&self, method: u16, message: &[u8], room: Room) -> Result<Progress, String> {
        begin(&self.root, method, message, &[], room)
    }

    /// Begins a receive and hands it over.
    pub(crate) fn begin_receive(&self, room: Room) -> Result<Progress, String> {
        let receive = done("begin receive", self.endpoint.begin_accept(room))?;
        flush();
        Ok(receive)
    }

    /// Waits for a call.
    pub(crate) fn receive(&self, room: Room) -> Result<Received, String> {
        Received::of(self.begin_receive(room)?.wait())
    }
}

/// Begins a call and hands it over.
pub(crate) fn begin(
    object: &Cap<Probe>,
    method: u16,
    message: &[u8],
    capabilities: &[Outgoing<'_>],
    room: Room,
) -> Result<Progress, String> {
    let call = done("begin call", object.begin_untyped(method, message, capabilities, room))?;
    flush();
    Ok(call)
}

/// Waits for a reply, which must be this one.
pub(crate) fn answered(call: Progress, expected: &[u8]) -> Outcome {
    let reply = done("call", call.wait())?;
    equal("reply", reply.message(), expected)
}

/// Is told of an event.
pub(crate) fn event(service: &Service, method: u16, cookie: u64) -> Result<u64, String> {
    let header = service.receive(SMALL)?.header;
    equal("event", (header.interface, header.method, header.cookie), (KERNEL_INTERFACE, method, cookie))?;
    Ok(header.token)
}

/// Nothing waits at the endpoint.
pub(crate) fn nothing_waits(service: &Service) -> Outcome {
    let receive = service.begin_receive(SMALL)?;
    check(!receive.is_complete(), "something waited at the endpoint")
}

/// `length` bytes that are not all alike.
pub(crate) fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index as u8).wrapping_mul(31).wrapping_add((index >> 8) as u8) ^ seed).collect()
}
