//! Counts of calls to another process with generated stubs on both sides.
//!
//! Called by `main`; starts the program `echo`.
//!
//! Invariant: the server waits in a receive when a call is made, so a round is one switch there and one back.

use capos_rt::Cap;
use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::device::Device;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;

use crate::Context;

/// Bytes that the server may use.
const LIMIT: u64 = 2 << 20;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    let serving = context.spawner.create_endpoint(Device::ID, Device::ALL_METHODS)?;
    let device: Cap<Device> = serving.root.typed();
    let made = context.spawner.create("typed", &context.echo, LIMIT, 0, 0, 0, 0)?;
    made.process.grant("endpoint", &serving.receiver, Endpoint::ALL_METHODS)?;
    made.process.grant("memory", &made.memory, VirtualMemory::ALL_METHODS)?;
    made.process.grant("typed", &context.timer, 1 << Timer::NOW)?;
    made.process.start()?;
    // The server's first receive comes before what is counted.
    device.reset()?;
    context.count("call-typed", 1000, |_| device.reset())?;
    made.process.kill(OutcomeKind::Killed as u16)
}
