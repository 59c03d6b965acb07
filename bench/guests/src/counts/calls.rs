//! Counts of calls to another process and back.
//!
//! Called by `main`; starts the program `echo`.
//!
//! Invariant: the server waits in a receive when a call is made, so a round is one switch there and one back.

use alloc::vec;

use capos_rt::Cap;
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::device::Device;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::{Description, Interface};
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;

use crate::Context;

/// Bytes that a server may use.
const LIMIT: u64 = 2 << 20;

/// The interface of what is called.
enum Echo {}

impl Interface for Echo {
    const DESCRIPTION: &'static Description =
        &Description { name: "Echo", id: 0xec40_0000_0000_0001, all_methods: 1, methods: &[] };
}

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    let (server, device) = start::<Device>(context, false)?;
    // A method without parameters and results, by its generated client.
    device.reset()?;
    context.count("call-0", 1000, |_| device.reset())?;
    server.kill(OutcomeKind::Killed as u16)?;
    let (server, object) = start::<Echo>(context, false)?;
    round(context, &object, "call-64", 64, 1000)?;
    server.kill(OutcomeKind::Killed as u16)?;
    let (server, object) = start::<Echo>(context, true)?;
    for (name, length) in [("call-4k", 4096), ("call-64k", 65_536)] {
        round(context, &object, name, length, 20)?;
    }
    server.kill(OutcomeKind::Killed as u16)
}

fn round(
    context: &Context,
    object: &Cap<Echo>,
    name: &str,
    length: usize,
    times: u64,
) -> Result<(), CallError> {
    let message = vec![7; length];
    let mut reply = vec![0; length];
    // The server's first receive comes before what is counted.
    object.call_bytes(0, &message, &mut reply)?;
    context.count(name, times, |_| object.call_bytes(0, &message, &mut reply).map(drop))
}

/// Starts a server; with `is_large` one that takes messages of every size.
fn start<T: Interface>(context: &Context, is_large: bool) -> Result<(Cap<ProcessHandle>, Cap<T>), CallError> {
    let serving = context.spawner.create_endpoint(T::DESCRIPTION.id, T::DESCRIPTION.all_methods)?;
    let made = context.spawner.create("echo", &context.echo, LIMIT, 0, 0, 0, 0)?;
    made.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS)?;
    made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
    if is_large {
        made.process.grant("large", &context.timer, 1 << Timer::NOW)?;
    }
    made.process.start()?;
    Ok((made.process, serving.root.typed()))
}
