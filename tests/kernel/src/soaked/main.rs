//! `soaked`: one of the many processes of `soak`.
//!
//! Started by `soak`; with `endpoint` in its CapSet it serves, with `service` it calls, in one of the ways of
//! `capos_kernel_suite::soak`, and with neither it ends at once.
//!
//! Invariant: a client's exit code is the number of its calls that were answered as they had to be; it reports the first that
//! was not.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_kernel_suite::soak::{HELD, HELD_CALLS, Kind, ROUND_CALLS, ROUNDS, WAIT, method};
use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::abi::ring::{KERNEL_INTERFACE, Mint};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{self, Incoming, Outgoing, Progress, Room};
use capos_rt::{Cap, CapSet, flush, hostile, process};

capos_rt::entry!(main);

const ROOM: Room = Room { bytes: 32, capabilities: 1 };
/// Calls in flight of a client that leaves.
const IN_FLIGHT: usize = 3;

fn main(capabilities: &CapSet) -> ExitStatus {
    if let Ok(endpoint) = capabilities.get("endpoint") {
        // It is killed, or something went wrong.
        let _ = serve(&endpoint);
        return ExitStatus::exited(1);
    }
    let (Ok(service), Ok(timer)) = (capabilities.get("service"), capabilities.get("timer")) else {
        return ExitStatus::exited(0);
    };
    let is = |kind: Kind| capabilities.entry(kind.name()).is_some();
    if is(Kind::Idle) {
        hostile::enter(1, u64::MAX, 0);
    }
    let ended = call(&service, &timer).and_then(|calls| {
        if is(Kind::Leaves) {
            leave(&service, &timer)?;
        } else if !is(Kind::Finishes) {
            lose(&service)?;
        }
        Ok(calls)
    });
    match ended {
        Ok(calls) => ExitStatus::exited(calls),
        Err(error) => {
            process::end(ExitStatus { kind: OutcomeKind::Trap, code: 1 }, &alloc::format!("{error}"))
        }
    }
}

/// What must be so, as an error that no server gives.
fn must(is_so: bool) -> Result<(), CallError> {
    if is_so { Ok(()) } else { Err(Exception::Failed.into()) }
}

/// All rounds; returns the number of calls.
fn call(service: &Cap<Probe>, timer: &Cap<Timer>) -> Result<u32, CallError> {
    let mut reply = [0; 16];
    for round in 0..ROUNDS {
        let message = u64::from(round).to_le_bytes();
        for _ in 0..ROUND_CALLS - 3 {
            let length = service.call_bytes(method::ECHO, &message, &mut reply)?;
            must(reply.get(..length) == Some(&message[..]))?;
        }
        let moved = timer.derive(1 << Timer::NOW)?;
        let back = service.call_untyped(method::MOVE, &message, &[Outgoing::Move(&moved)], ROOM)?;
        core::mem::forget(moved);
        back.take::<Timer>(0).ok_or(Transport::NoSlot)?.now()?;
        let minted = service.call_untyped(method::MINT, &message, &[], ROOM)?;
        let object: Cap<Probe> = minted.take(0).ok_or(Transport::NoSlot)?;
        let length = object.call_bytes(method::ECHO, &message, &mut reply)?;
        must(reply.get(..length) == Some(&message[..]))?;
    }
    Ok(ROUNDS * ROUND_CALLS)
}

/// Ends with calls in flight, each with a capability that moves.
fn leave(service: &Cap<Probe>, timer: &Cap<Timer>) -> Result<(), CallError> {
    let mut calls: Vec<Progress> = Vec::new();
    for _ in 0..IN_FLIGHT {
        let moved = timer.derive(1 << Timer::NOW)?;
        calls.push(service.begin_untyped(method::MOVE, HELD, &[Outgoing::Move(&moved)], ROOM)?);
        core::mem::forget(moved);
    }
    flush();
    core::mem::forget(calls);
    Ok(())
}

/// Makes a call that is answered by the end of the server.
fn lose(service: &Cap<Probe>) -> Result<(), CallError> {
    let lost = service.call_untyped(method::ECHO, HELD, &[], ROOM).map(drop);
    must(lost == Err(Transport::Disconnected.into()))
}

fn serve(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let mut next = endpoint.begin_accept(ROOM)?;
    let (mut held, mut waiter) = (0, None);
    loop {
        let incoming = next.wait()?;
        let header = incoming.header()?;
        if header.interface != KERNEL_INTERFACE && header.method == method::ECHO {
            held += usize::from(incoming.message() == HELD);
            waiter = waiter.or(Some(header.token).filter(|_| incoming.message() == WAIT));
        }
        if let Some(token) = waiter.take_if(|_| held == HELD_CALLS) {
            untyped::reply(token, &[], &[])?;
        }
        next = answer(endpoint, &incoming)?;
    }
}

/// Answers one call, and begins the next receive. What is to be held stays where it is.
fn answer(endpoint: &Cap<Endpoint>, incoming: &Incoming) -> Result<Progress, CallError> {
    let header = incoming.header()?;
    let came: Option<Cap<Timer>> = incoming.take(0);
    if header.interface == KERNEL_INTERFACE || [HELD, WAIT].contains(&incoming.message()) {
        return endpoint.begin_accept(ROOM);
    }
    let mint = Mint { interface: Probe::ID, cookie: header.token, methods: 1 };
    let sent: Vec<Outgoing<'_>> = match (&came, header.method) {
        (Some(timer), _) => {
            timer.now()?;
            [Outgoing::Move(timer)].into()
        }
        (None, method::MINT) => [Outgoing::Mint(mint)].into(),
        _ => Vec::new(),
    };
    let begun = endpoint.begin_reply_and_accept(header.token, incoming.message(), &sent, ROOM);
    drop(sent);
    // It has left with the reply.
    core::mem::forget(came);
    begun
}
