//! Counts of calls to another process and back.
//!
//! Called by `main`; starts the program `echo`.
//!
//! Invariant: the server waits in a receive when a call is made, so a round is one switch there and one back.

use alloc::vec;
use alloc::vec::Vec;

use capos_rt::abi::error::CallError;
use capos_rt::abi::message::CAPABILITIES_MAX;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::device::Device;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::{Description, Interface};
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::{Incoming, Outgoing, Room};
use capos_rt::{Cap, Capability};

use crate::Context;

/// Bytes that a server may use.
const LIMIT: u64 = 2 << 20;

/// Bytes of the largest message that goes there.
const LARGEST: usize = 65_536;

/// The interface of what is called. Method 0 is answered with what came; of method 1 the server keeps the capabilities.
enum Echo {}

impl Interface for Echo {
    const DESCRIPTION: &'static Description =
        &Description { name: "Echo", id: 0xec40_0000_0000_0001, all_methods: 0b11, methods: &[] };
}

/// What the program `echo` is told to be, by an entry of its CapSet.
#[derive(Clone, Copy)]
enum Kind {
    /// It takes small messages.
    Small,
    /// It takes messages of every size.
    Large,
    /// It takes messages of every size with capabilities.
    Carries,
}

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    let (server, device) = start::<Device>(context, Kind::Small)?;
    // A method without parameters and results, by its generated client.
    device.reset()?;
    context.count("call-0", 1000, |_| device.reset())?;
    server.kill(OutcomeKind::Killed as u16)?;
    let (server, object) = start::<Echo>(context, Kind::Small)?;
    round(context, &object, "call-64", 64, 1000)?;
    server.kill(OutcomeKind::Killed as u16)?;
    let (server, object) = start::<Echo>(context, Kind::Large)?;
    for (name, length) in [("call-4k", 4096), ("call-64k", 65_536)] {
        round(context, &object, name, length, 20)?;
    }
    server.kill(OutcomeKind::Killed as u16)?;
    let (server, object) = start::<Echo>(context, Kind::Carries)?;
    let rows =
        [("call-0-moved", 0), ("call-64-moved", 64), ("call-4k-moved", 4096), ("call-64k-moved", 65_536)];
    for (name, length) in rows {
        let mut carried = Carried::new(context, 1)?;
        carried.there_and_back(&object, length)?;
        context.count(name, 20, |_| carried.there_and_back(&object, length))?;
    }
    transfers(context, &object)?;
    server.kill(OutcomeKind::Killed as u16)
}

/// Counts what one more capability in a message costs.
fn transfers(context: &Context, object: &Cap<Echo>) -> Result<(), CallError> {
    const ROUNDS: u64 = 20;
    const MORE: u64 = CAPABILITIES_MAX as u64 - 1;
    let took = |count: usize, round: fn(&mut Carried, &Cap<Echo>) -> Result<(), CallError>| {
        let mut carried = Carried::new(context, count)?;
        round(&mut carried, object)?;
        let start = context.timer.now()?;
        for _ in 0..ROUNDS {
            round(&mut carried, object)?;
        }
        Ok::<_, CallError>(context.timer.now()? - start)
    };
    let moved = |count| took(count, |carried, object| carried.there_and_back(object, 0));
    context.print("transfer-move", 2 * MORE * ROUNDS, moved(1)?, moved(CAPABILITIES_MAX)?)?;
    let copied = |count| took(count, |carried, object| carried.copied(object));
    context.print("transfer-copy", MORE * ROUNDS, copied(1)?, copied(CAPABILITIES_MAX)?)
}

/// Capabilities that go along with messages.
struct Carried {
    capabilities: [Option<Cap<Timer>>; CAPABILITIES_MAX],
    count: usize,
    message: Vec<u8>,
}

impl Carried {
    fn new(context: &Context, count: usize) -> Result<Carried, CallError> {
        let mut carried =
            Carried { capabilities: [const { None }; CAPABILITIES_MAX], count, message: vec![7; LARGEST] };
        for place in carried.capabilities.iter_mut().take(count) {
            *place = Some(context.timer.derive(1 << Timer::NOW)?);
        }
        Ok(carried)
    }

    fn call(
        &self,
        object: &Cap<Echo>,
        method: u16,
        length: usize,
        outgoing: fn(&dyn Capability) -> Outgoing<'_>,
    ) -> Result<Incoming, CallError> {
        let mut rows = [Outgoing::Copy(object); CAPABILITIES_MAX];
        for (row, capability) in rows.iter_mut().zip(self.capabilities.iter().flatten()) {
            *row = outgoing(capability);
        }
        let (message, rows) = (self.message.get(..length), rows.get(..self.count));
        let room = Room { bytes: length, capabilities: self.count };
        object.call_untyped(method, message.unwrap_or_default(), rows.unwrap_or_default(), room)
    }

    /// All of them are moved to the server with a message, and back with its answer.
    fn there_and_back(&mut self, object: &Cap<Echo>, length: usize) -> Result<(), CallError> {
        let reply = self.call(object, 0, length, |capability| Outgoing::Move(capability))?;
        for (index, place) in self.capabilities.iter_mut().take(self.count).enumerate() {
            let gone = place.take();
            *place = reply.take(index as u32);
            core::mem::forget(gone);
        }
        Ok(())
    }

    /// The server gets copies, and gives them up.
    fn copied(&mut self, object: &Cap<Echo>) -> Result<(), CallError> {
        self.call(object, 1, 0, |capability| Outgoing::Copy(capability)).map(drop)
    }
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

/// Starts a server.
fn start<T: Interface>(context: &Context, kind: Kind) -> Result<(Cap<ProcessHandle>, Cap<T>), CallError> {
    let serving = context.spawner.create_endpoint(T::DESCRIPTION.id, T::DESCRIPTION.all_methods)?;
    let made = context.spawner.create("echo", &context.echo, LIMIT, 0, 0, 0, 0)?;
    made.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS)?;
    made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
    match kind {
        Kind::Small => {}
        Kind::Large => made.process.grant("large", &context.timer, 1 << Timer::NOW)?,
        Kind::Carries => made.process.grant("carries", &context.timer, 1 << Timer::NOW)?,
    }
    made.process.start()?;
    Ok((made.process, serving.root.typed()))
}
