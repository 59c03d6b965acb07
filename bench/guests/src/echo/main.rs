//! `echo`: a service that answers each call with its message.
//!
//! Started by `counts`, with the receive side `endpoint` and its own `memory`. Ends with the endpoint.
//!
//! Invariant: a call is answered and the next one waited for in one submission.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::CallError;
use capos_rt::abi::message::MESSAGE_BYTES_MAX;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::abi::ring::{KERNEL_INTERFACE, RECEIVED_HEADER_BYTES};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{Room, Server};
use capos_rt::{Cap, CapSet};

mod typed;

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return ExitStatus::exited(1) };
    let large = Room { bytes: MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES, capabilities: 0 };
    if capabilities.entry("typed").is_some() {
        return ExitStatus::exited(u32::from(typed::serve(&endpoint).is_err()));
    }
    // A process that takes messages of every size is told so by an entry of its CapSet.
    let served =
        if capabilities.entry("large").is_some() { serve(&endpoint, large) } else { serve_small(&endpoint) };
    ExitStatus::exited(u32::from(served.is_err()))
}

/// Serves messages that fit the message area.
fn serve_small(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    const BYTES: usize = 1024;
    let mut server = Server::new(endpoint, BYTES, BYTES)?;
    let mut header = server.receive()?;
    loop {
        let (message, reply) = server.buffers();
        let length = message.len();
        if let Some(place) = reply.get_mut(..length)
            && length > 0
        {
            place.copy_from_slice(message);
        }
        header = if header.interface == KERNEL_INTERFACE {
            server.receive()?
        } else {
            server.reply_and_receive(header.token, length)?
        };
    }
}

fn serve(endpoint: &Cap<Endpoint>, room: Room) -> Result<(), CallError> {
    let mut next = endpoint.begin_accept(room)?;
    loop {
        let incoming = next.wait()?;
        let header = incoming.header()?;
        next = if header.interface == KERNEL_INTERFACE {
            endpoint.begin_accept(room)?
        } else {
            endpoint.begin_reply_and_accept(header.token, incoming.message(), &[], room)?
        };
    }
}
