//! `echo`: a service that answers each call with its message.
//!
//! Started by `counts`, with the receive side `endpoint` and its own `memory`. Ends with the endpoint.
//!
//! Invariant: a call is answered and the next one waited for in one submission.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::CallError;
use capos_rt::abi::message::{CAPABILITIES_MAX, MESSAGE_BYTES_MAX};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::abi::ring::{KERNEL_INTERFACE, RECEIVED_HEADER_BYTES};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{Outgoing, Room, Server};
use capos_rt::{Cap, CapSet};

mod typed;

capos_rt::entry!(main);

/// The largest message that can be received.
const LARGEST: usize = MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES;

fn main(capabilities: &CapSet) -> ExitStatus {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return ExitStatus::exited(1) };
    // What it is to be is told by an entry of its CapSet.
    let is = |kind: &str| capabilities.entry(kind).is_some();
    let served = if is("typed") {
        typed::serve(&endpoint)
    } else if is("carries") {
        serve_carrying(&endpoint)
    } else if is("large") {
        serve_large(&endpoint)
    } else {
        serve_small(&endpoint)
    };
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

/// Serves messages of every size; the answer, of the same length, lies ready.
fn serve_large(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let mut server = Server::new(endpoint, LARGEST, LARGEST)?;
    let mut header = server.receive()?;
    loop {
        header = if header.interface == KERNEL_INTERFACE {
            server.receive()?
        } else {
            server.reply_and_receive(header.token, header.length as usize)?
        };
    }
}

/// Serves messages of every size with capabilities: method 0 gets back what it sent, and gives up the rest.
fn serve_carrying(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let room = Room { bytes: LARGEST, capabilities: CAPABILITIES_MAX };
    let mut next = endpoint.begin_accept(room)?;
    loop {
        let incoming = next.wait()?;
        let header = incoming.header()?;
        if header.interface == KERNEL_INTERFACE {
            next = endpoint.begin_accept(room)?;
            continue;
        }
        let count = if header.method == 0 { usize::from(header.capability_count) } else { 0 };
        let mut carried = [const { None::<Cap<Timer>> }; CAPABILITIES_MAX];
        for (index, place) in carried.iter_mut().take(count).enumerate() {
            *place = incoming.take(index as u32);
        }
        let mut rows = [Outgoing::Copy(endpoint); CAPABILITIES_MAX];
        for (row, capability) in rows.iter_mut().zip(carried.iter().flatten()) {
            *row = Outgoing::Move(capability);
        }
        let rows = rows.get(..count).unwrap_or_default();
        next = endpoint.begin_reply_and_accept(header.token, incoming.message(), rows, room)?;
        core::mem::forget(carried);
    }
}
