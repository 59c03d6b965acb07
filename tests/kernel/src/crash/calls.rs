//! The ways to serve and to call: programs for tests of calls between processes.
//!
//! Called by `main`; they have the receive side `endpoint` or the object `service` in their CapSet.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

extern crate alloc;

use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::message::MESSAGE_BYTES_MAX;
use capos_rt::abi::ring::{KERNEL_INTERFACE, Mint, RECEIVED_HEADER_BYTES};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{self, Incoming, Outgoing, Room};
use capos_rt::{Cap, CapSet, hostile};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("serve echo", serve_echo),
        ("serve as told", serve_as_told),
        ("receive and exit", receive_and_exit),
        ("mint and exit", mint_and_exit),
        ("call and wait", call_and_wait),
        ("call and keep", call_and_keep),
        ("call many", call_many),
        ("lose a call", lose_a_call),
        ("serve contents", crate::contents::serve),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

const SMALL: Room = Room { bytes: 64, capabilities: 1 };

fn endpoint(capabilities: &CapSet) -> Option<Cap<Endpoint>> {
    capabilities.get("endpoint").ok()
}

fn service(capabilities: &CapSet) -> Option<Cap<Probe>> {
    capabilities.get("service").ok()
}

/// Answers method 0 with its message, and method 1 with the Timer that came, after a look at the clock.
fn serve_echo(capabilities: &CapSet) -> u32 {
    let Some(endpoint) = endpoint(capabilities) else { return 1 };
    let room = Room { bytes: MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES, capabilities: 1 };
    let Ok(mut next) = endpoint.begin_accept(room) else { return 2 };
    loop {
        let Ok(incoming) = next.wait() else { return 3 };
        let begun = match answer(&incoming) {
            Ok(None) => endpoint.begin_accept(room),
            Ok(Some((token, timer))) => {
                let sent: Vec<Outgoing<'_>> = timer.iter().map(|timer| Outgoing::Move(timer)).collect();
                let begun = endpoint.begin_reply_and_accept(token, incoming.message(), &sent, room);
                core::mem::forget(timer);
                begun
            }
            Err(_) => return 4,
        };
        let Ok(begun) = begun else { return 5 };
        next = begun;
    }
}

/// The server of the book's chapter on calls.
fn serve_as_told(capabilities: &CapSet) -> u32 {
    let Some(endpoint) = endpoint(capabilities) else { return 1 };
    u32::from(serve(&endpoint).is_err())
}

fn serve(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let room = Room { bytes: 256, capabilities: 0 };
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

/// The token to answer and what goes back, if it is a call.
fn answer(incoming: &Incoming) -> Result<Option<(u64, Option<Cap<Timer>>)>, CallError> {
    let header = incoming.header()?;
    if header.interface == KERNEL_INTERFACE {
        return Ok(None);
    }
    let timer: Option<Cap<Timer>> = incoming.take(0);
    if let Some(timer) = &timer {
        timer.now()?;
    }
    Ok(Some((header.token, timer)))
}

/// Ends with a call in its hands.
fn receive_and_exit(capabilities: &CapSet) -> u32 {
    let Some(endpoint) = endpoint(capabilities) else { return 1 };
    let received = endpoint.begin_accept(SMALL).and_then(untyped::Progress::wait);
    if received.is_ok() { 0 } else { 2 }
}

/// Answers the first call with a new object, and ends with a call to it in its hands.
fn mint_and_exit(capabilities: &CapSet) -> u32 {
    let Some(endpoint) = endpoint(capabilities) else { return 1 };
    let receive = || endpoint.begin_accept(SMALL).and_then(untyped::Progress::wait);
    let Ok(Ok(header)) = receive().map(|first| first.header()) else { return 2 };
    let mint = Mint { interface: Probe::ID, cookie: 7, methods: 1 };
    if untyped::reply(header.token, b"", &[Outgoing::Mint(mint)]).is_err() {
        return 3;
    }
    match receive().map(|second| second.header()) {
        Ok(Ok(header)) if header.cookie == 7 => 0,
        _ => 4,
    }
}

/// Calls, and never gets an answer if the test is right.
fn call_and_wait(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let _ = service.call_untyped(0, b"", &[], SMALL);
    2
}

/// Ends with what the reply brought.
fn call_and_keep(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let Ok(reply) = service.call_untyped(0, b"", &[], SMALL) else { return 2 };
    let object: Option<Cap<Probe>> = reply.take(0);
    let is_there = object.is_some();
    core::mem::forget(object);
    if is_there { 0 } else { 3 }
}

/// Calls, until that is revoked.
fn lose_a_call(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let lost = service.call_untyped(0, b"", &[], SMALL).map(drop);
    if lost == Err(CallError::Transport(Transport::Revoked)) { 0 } else { 2 }
}

/// Begins as many calls as it can, and waits for ever.
fn call_many(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let mut calls = Vec::new();
    while let Ok(call) = service.begin_untyped(0, b"flood", &[], SMALL) {
        calls.push(call);
    }
    if calls.len() < 10 {
        return 2;
    }
    capos_rt::flush();
    hostile::enter(u64::from(u32::MAX), u64::MAX, 0);
    3
}
