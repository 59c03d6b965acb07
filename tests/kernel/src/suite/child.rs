//! Starts `crash` with an argument, and waits for its end.
//!
//! Used by the subjects that need another process; calls the spawner.
//!
//! Invariant: a child holds exactly what the test grants, and `argument`.

use alloc::format;
use alloc::string::String;

use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, Capability, ProcessHandleWaitReply};

use crate::context::Context;
use crate::harness::{Outcome, done, equal};

/// Bytes that a child may use.
pub(crate) const LIMIT: u64 = 2 << 20;

/// A process that the suite made.
pub(crate) struct Child {
    pub(crate) process: Cap<ProcessHandle>,
    pub(crate) memory: Cap<VirtualMemory>,
}

/// Makes `crash` with `argument`; it does not run yet.
pub(crate) fn create(context: &Context, argument: &str) -> Result<Child, String> {
    let reply = context.spawner.create(argument, &context.crash, LIMIT, 0, 0, 0, 0);
    let child = done("create", reply).map(|reply| Child { process: reply.process, memory: reply.memory })?;
    give_argument(context, &child, argument)?;
    Ok(child)
}

/// Tells a child what to do.
pub(crate) fn give_argument(context: &Context, child: &Child, argument: &str) -> Outcome {
    grant(child, "argument", &text(context, argument)?, READ)
}

/// `MemoryObject.info` and `MemoryObject.read`.
const READ: u64 = 1 << MemoryObject::INFO | 1 << MemoryObject::READ;

/// Grants a capability under a name.
pub(crate) fn grant(
    child: &Child,
    name: &str,
    capability: &dyn Capability,
    methods: u64,
) -> Result<(), String> {
    done("grant", child.process.grant(name, capability, methods))
}

/// Makes and starts `crash` with nothing but its argument.
pub(crate) fn start(context: &Context, argument: &str) -> Result<Child, String> {
    let child = create(context, argument)?;
    done("start", child.process.start())?;
    Ok(child)
}

/// Runs `crash` with nothing but its argument to its end.
pub(crate) fn run(context: &Context, argument: &str) -> Result<ProcessHandleWaitReply, String> {
    wait(&start(context, argument)?)
}

/// Waits for a child.
pub(crate) fn wait(child: &Child) -> Result<ProcessHandleWaitReply, String> {
    done("wait", child.process.wait())
}

/// Kills a child, and waits until everything that it had is given back.
pub(crate) fn kill(child: &Child) -> Outcome {
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&wait(child)?), ("killed", 0))
}

/// Starts a child that maps `object` writable and writes a 1 to its byte 1; it ends when the byte 0 becomes 0. It has done
/// so when this returns.
pub(crate) fn sharing(context: &Context, object: &Cap<MemoryObject>) -> Result<Child, String> {
    let child = create(context, "share until revoked")?;
    grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    grant(&child, "object", object, MemoryObject::ALL_METHODS)?;
    done("write", object.write(1, &[0]))?;
    done("start", child.process.start())?;
    let mut byte = [0];
    while byte[0] == 0 {
        done("read", object.read(1, 1, &mut byte))?;
        let now = done("now", context.timer.now())?;
        done("sleep", context.timer.sleep(now + 100_000))?;
    }
    Ok(child)
}

/// The kind and the code of an end, for comparisons.
pub(crate) fn end(reply: &ProcessHandleWaitReply) -> (&'static str, u32) {
    let kind = capos_rt::abi::outcome::OutcomeKind::from_number(reply.kind);
    (kind.map_or("unknown", |kind| kind.word()), reply.code)
}

/// A sealed object with these bytes.
pub(crate) fn sealed(context: &Context, bytes: &[u8]) -> Result<Cap<MemoryObject>, String> {
    let object = done("create object", context.memory.create_object(bytes.len() as u64))?;
    for (index, chunk) in bytes.chunks(32 * 1024).enumerate() {
        let offset = (index * 32 * 1024) as u64;
        done("write", object.write(offset, chunk)).map_err(|told| format!("{told} at {offset}"))?;
    }
    done("seal", object.seal())?;
    Ok(object)
}

fn text(context: &Context, text: &str) -> Result<Cap<MemoryObject>, String> {
    sealed(context, text.as_bytes())
}
