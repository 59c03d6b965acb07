//! Starting one process: create, grant, start.
//!
//! Called by `run` for each process of the plan, in order, and by `supervise` for those that are started again; calls
//! ProcessSpawner and ProcessHandle.
//!
//! Invariant: what the process gets is the plan's list, the receive sides of what it serves, its module and its launch
//! parameters, each with the methods stated, and nothing else.

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::host::StreamKind;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::mask;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, Capability};
use capos_schema::manifest_capnp::system_manifest::Source;

use crate::authority::Authority;
use crate::console::Streams;
use crate::end::Refusal;
use crate::launch;
use crate::package::Package;
use crate::plan::{Grant, LAUNCH, MODULE, Process};
use crate::seed::Awaited;
use crate::services::Services;

/// What a process may do with what it only reads.
const READ_ONLY: u64 = mask(&[MemoryObject::INFO, MemoryObject::READ]);
/// Bytes of one write into a memory object.
const CHUNK: usize = capos_rt::abi::message::DATA_BYTES_MAX;

/// A process that was started.
pub struct Running {
    /// The right to wait for it and to end it.
    pub process: Cap<ProcessHandle>,
    /// When it was started: nanoseconds of the monotonic clock.
    pub started: u64,
}

/// Starts the process at `place` of the plan, after what is awaited if it can tell the difference; `None` for a driver whose
/// device the machine does not have.
///
/// # Errors
/// What could not be done, with the process's name, and the grant's if it is about one.
pub fn spawn(
    authority: &Authority,
    package: &mut Package<'_>,
    services: &Services<'_, '_>,
    streams: &mut Streams<'_, '_>,
    place: usize,
    awaited: &mut Awaited,
) -> Result<Option<Running>, Refusal> {
    let plan = services.process(place);
    if plan.devices().any(|kind| authority.devices.find(kind).is_none()) {
        return Ok(None);
    }
    let rings = plan.rings;
    let image = package.object(&plan.image)?;
    let created = authority
        .spawner
        .create_within(
            &plan.name,
            image,
            plan.memory_limit,
            plan.memory_reserve,
            plan.weight,
            plan.rate[0],
            plan.rate[1],
            plan.stack_bytes,
            rings.submission_entries,
            rings.completion_entries,
            rings.area_bytes,
        )
        .map_err(|error| refuse_creation(plan, error))?;
    for grant in &plan.grants {
        let granted = match grant.source {
            Source::Service => give_service(services, plan, grant, &created.process),
            Source::ConsoleOutput => {
                give_stream(services, streams, (place, StreamKind::Output), grant, &created.process)
            }
            Source::ConsoleError => {
                give_stream(services, streams, (place, StreamKind::Error), grant, &created.process)
            }
            Source::ConsoleNames => {
                let names = sealed(authority, &streams.names());
                let names = names.map_err(|error| refuse_grant(plan, &grant.name, error))?;
                let given = created.process.grant(&grant.name, &names, grant.methods);
                given.map_err(|error| refuse_grant(plan, &grant.name, error))
            }
            _ => give(authority, package, plan, grant, &created.process, &created.memory),
        };
        granted?;
    }
    for (service, served) in plan.serves.iter().zip(services.of(place)) {
        created
            .process
            .grant(&service.name, &served.endpoint, Endpoint::ALL_METHODS)
            .map_err(|error| refuse_grant(plan, &service.name, error))?;
    }
    let give_read_only = |name: &str, object: &Cap<MemoryObject>| {
        created.process.grant(name, object, READ_ONLY).map_err(|error| refuse_grant(plan, name, error))
    };
    if let Some(module) = &plan.module {
        give_read_only(MODULE, package.object(module)?)?;
    }
    if let Some(parameters) = plan.launch {
        let bytes = launch::encode(parameters).map_err(|error| {
            Refusal::invalid(&plan.name, format_args!("launch parameters: malformed: {error}"))
        })?;
        let object = sealed(authority, &bytes).map_err(|error| refuse_grant(plan, LAUNCH, error))?;
        give_read_only(LAUNCH, &object)?;
    }
    if plan.holds(Source::EntropySource) {
        awaited.wait(authority)?;
    }
    let started = authority.timer.now().map_err(|error| Refusal::failed("reading the clock", error))?;
    created.process.start().map_err(|error| refuse(plan, "starting it", error))?;
    Ok(Some(Running { process: created.process, started }))
}

/// Puts one capability into the CapSet of a process that does not run yet.
fn give(
    authority: &Authority,
    package: &mut Package<'_>,
    plan: &Process<'_>,
    grant: &Grant,
    process: &Cap<ProcessHandle>,
    memory: &Cap<VirtualMemory>,
) -> Result<(), Refusal> {
    let refuse = |error| refuse_grant(plan, &grant.name, error);
    let put =
        |capability: &dyn Capability| process.grant(&grant.name, capability, grant.methods).map_err(refuse);
    match grant.source {
        Source::Timer => put(&authority.timer),
        Source::EntropySource => put(&authority.entropy),
        Source::EntropySink => put(&authority.sink),
        Source::VirtualMemory => put(memory),
        Source::Accounting => put(&process.accounting().map_err(refuse)?),
        Source::Part => put(package.object(&grant.part)?),
        Source::ProcessSpawner => put(&authority.spawner),
        Source::BootPackage => put(&authority.boot),
        Source::CodeMemory => put(&authority.code),
        Source::Device => match authority.devices.find(grant.device) {
            Some(device) => put(device),
            None => Ok(()),
        },
        Source::Service | Source::ConsoleOutput | Source::ConsoleError | Source::ConsoleNames => Ok(()),
    }
}

/// Puts the root object of a service into the CapSet of a process that does not run yet. Of a service that was closed it
/// gets nothing.
fn give_service(
    services: &Services<'_, '_>,
    plan: &Process<'_>,
    grant: &Grant,
    process: &Cap<ProcessHandle>,
) -> Result<(), Refusal> {
    let (server, name) = &grant.service;
    let Some(served) = services.find(server, name) else { return Ok(()) };
    process
        .grant(&grant.name, &served.root, grant.methods)
        .map_err(|error| refuse_grant(plan, &grant.name, error))
}

/// Puts one of its streams into the CapSet of a process that does not run yet.
fn give_stream(
    services: &Services<'_, '_>,
    streams: &mut Streams<'_, '_>,
    (place, kind): (usize, StreamKind),
    grant: &Grant,
    process: &Cap<ProcessHandle>,
) -> Result<(), Refusal> {
    let plan = services.process(place);
    let stream = match streams.of(services, place, kind) {
        Ok(stream) => stream,
        Err(CallError::Transport(Transport::Disconnected)) => {
            let name = &grant.name;
            let reason = format_args!("grant \"{name}\": no process drives the console and serves it");
            return Err(Refusal::invalid(&plan.name, reason));
        }
        Err(error) => return Err(refuse_grant(plan, &grant.name, error)),
    };
    process.grant(&grant.name, stream, grant.methods).map_err(|error| refuse_grant(plan, &grant.name, error))
}

/// A sealed memory object with these bytes.
fn sealed(authority: &Authority, bytes: &[u8]) -> Result<Cap<MemoryObject>, CallError> {
    let object = authority.memory.create_object(bytes.len() as u64)?;
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK).collect();
    for (index, chunk) in chunks.into_iter().enumerate() {
        object.write((index * CHUNK) as u64, chunk)?;
    }
    object.seal()?;
    Ok(object)
}

/// A process for which there is not enough says how much that is.
fn refuse_creation(plan: &Process<'_>, error: CallError) -> Refusal {
    let Process { memory_limit, memory_reserve, weight, .. } = plan;
    if error != CallError::Transport(Transport::LimitReached) {
        return refuse(plan, "creating it", error);
    }
    let reason = format_args!(
        "creating it: the machine does not have what it is to be given: {memory_reserve} bytes of memory set aside, \
         {memory_limit} at most, and the weight {weight}"
    );
    Refusal::invalid(&plan.name, reason)
}

fn refuse(plan: &Process<'_>, what: &str, error: CallError) -> Refusal {
    Refusal::invalid(&plan.name, format_args!("{what}: {error}"))
}

fn refuse_grant(plan: &Process<'_>, grant: &str, error: CallError) -> Refusal {
    Refusal::invalid(&plan.name, format_args!("grant \"{grant}\": {error}"))
}
