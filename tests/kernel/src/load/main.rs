//! `load`: keeps ring 0 busy in one of the ways that could keep everybody else waiting.
//!
//! Started by `stretch`; what its CapSet has says which way: `endpoint` serves calls of every size, `service` keeps its ring
//! full of the largest calls to a server, `object` keeps it full of the largest writes of a memory object and reads it,
//! `random` asks for as many random bytes as it can get, `ready` fills 512 MiB, says so, and exits, and `hoard` does the same
//! with ten thousand things of the kernel's.
//!
//! Invariant: all but the last two go on until they are ended; an exit code other than 0 says that something went wrong.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Exception};
use capos_rt::abi::message::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::abi::ring::{KERNEL_INTERFACE, RECEIVED_HEADER_BYTES};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::notification::Notification;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::Room;
use capos_rt::{Cap, CapSet, Untyped, hostile};

capos_rt::entry!(main);

/// The largest message that a call between processes has room for.
const LARGEST: usize = MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES;
/// Receives that a server has waiting.
const RECEIVES: usize = 8;
/// Bytes that are filled.
const FILLED: u64 = 512 << 20;
const PAGE: u64 = 4096;
/// Bytes that a process may have that never runs.
const CHILD_BYTES: u64 = 512 << 10;

fn main(capabilities: &CapSet) -> ExitStatus {
    let ended = if let Ok(endpoint) = capabilities.get("endpoint") {
        serve(&endpoint)
    } else if let Ok(service) = capabilities.get("service") {
        call(&service)
    } else if let Ok(object) = capabilities.get("object") {
        transfer(&object)
    } else if let Ok(random) = capabilities.get("random") {
        draw(&random)
    } else if let (Ok(ready), Ok(memory)) = (capabilities.get("ready"), capabilities.get("memory")) {
        fill(&ready, &memory)
    } else if let Ok(ready) = capabilities.get("hoard") {
        Hoard::of(capabilities).and_then(|hoard| hoard.hold(&ready))
    } else {
        return ExitStatus::exited(2);
    };
    ExitStatus::exited(u32::from(ended.is_err()))
}

/// Answers each call with its own message, and has several receives waiting for the next ones.
fn serve(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let room = Room { bytes: LARGEST, capabilities: 0 };
    let mut receives =
        (0..RECEIVES).map(|_| endpoint.begin_accept(room)).collect::<Result<VecDeque<_>, _>>()?;
    while let Some(receive) = receives.pop_front() {
        let incoming = receive.wait()?;
        let header = incoming.header()?;
        receives.push_back(if header.interface == KERNEL_INTERFACE {
            endpoint.begin_accept(room)?
        } else {
            endpoint.begin_reply_and_accept(header.token, incoming.message(), &[], room)?
        });
    }
    Ok(())
}

/// Makes as many calls at a time as the ring holds.
fn call(service: &Cap<Probe>) -> Result<(), CallError> {
    let message = vec![7; LARGEST];
    let room = Room { bytes: LARGEST, capabilities: 0 };
    let begin = || (0..entries()).map(|_| service.begin_untyped(0, &message, &[], room));
    loop {
        for call in begin().collect::<Result<Vec<_>, _>>()? {
            call.wait()?;
        }
    }
}

/// Writes and reads as often at a time as the ring holds.
fn transfer(object: &Cap<MemoryObject>) -> Result<(), CallError> {
    let bytes = vec![7; DATA_BYTES_MAX];
    let mut back = vec![0; DATA_BYTES_MAX];
    loop {
        let writes = (0..entries()).map(|_| object.begin_write(0, &bytes)).collect::<Result<Vec<_>, _>>()?;
        for write in writes {
            write.wait()?;
        }
        object.read(0, DATA_BYTES_MAX as u32, &mut back)?;
    }
}

/// Draws as much as one call gives.
fn draw(random: &Cap<EntropySource>) -> Result<(), CallError> {
    let mut bytes = vec![0; DATA_BYTES_MAX];
    loop {
        random.read(DATA_BYTES_MAX as u32, &mut bytes)?;
    }
}

fn entries() -> u32 {
    hostile::layout().submission_entries
}

/// Things that ring 0 keeps, of most kinds.
struct Hoard {
    objects: Vec<Cap<MemoryObject>>,
    endpoints: Vec<Served>,
    minted: Vec<Cap<Untyped>>,
    notifications: Vec<Cap<Notification>>,
    processes: Vec<Cap<ProcessHandle>>,
}

impl Hoard {
    /// With those that its creator made for it, ten thousand.
    fn of(capabilities: &CapSet) -> Result<Hoard, CallError> {
        fn get<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, CallError> {
            capabilities.get(name).map_err(|_| Exception::InvalidArgument.into())
        }
        let spawner: Cap<ProcessSpawner> = get(capabilities, "spawner")?;
        let (memory, image): (Cap<VirtualMemory>, Cap<MemoryObject>) =
            (get(capabilities, "memory")?, get(capabilities, "image")?);
        let objects = (0..2_400).map(|_| memory.create_object(1)).collect::<Result<_, _>>()?;
        let endpoints = (0..500)
            .map(|_| {
                let made = spawner.create_endpoint(Probe::ID, Probe::ALL_METHODS)?;
                Ok(Served { receiver: made.receiver, _root: made.root })
            })
            .collect::<Result<Vec<_>, CallError>>()?;
        let mint = |cookie: usize| {
            endpoints[cookie % endpoints.len()].receiver.mint(Probe::ID, cookie as u64, Probe::ALL_METHODS)
        };
        let minted = (0..3_000).map(mint).collect::<Result<_, _>>()?;
        let notifications = (0..1_000).map(|_| spawner.create_notification()).collect::<Result<_, _>>()?;
        let processes = (0..100)
            .map(|_| Ok(spawner.create("held", &image, CHILD_BYTES, 0, 0, 0, 0)?.process))
            .collect::<Result<_, CallError>>()?;
        Ok(Hoard { objects, endpoints, minted, notifications, processes })
    }

    /// Says so, and ends with all of it. The answer to one that hears it is that everything is there.
    fn hold(self, ready: &Cap<Probe>) -> Result<(), CallError> {
        let Hoard { objects, endpoints, minted, notifications, processes } = &self;
        let count =
            objects.len() + 2 * endpoints.len() + minted.len() + notifications.len() + processes.len();
        ready.call_bytes(0, &(count as u64).to_le_bytes(), &mut [])?;
        core::mem::forget(self);
        Ok(())
    }
}

/// An endpoint.
struct Served {
    receiver: Cap<Endpoint>,
    _root: Cap<Untyped>,
}

/// Gives each page of 512 MiB its frame, waits until that is heard, and ends with all of it.
fn fill(ready: &Cap<Probe>, memory: &Cap<VirtualMemory>) -> Result<(), CallError> {
    let address = memory.reserve(FILLED)?;
    memory.commit(address, FILLED)?;
    for page in 0..FILLED / PAGE {
        hostile::store(address + page * PAGE);
    }
    ready.call_bytes(0, &[], &mut []).map(drop)
}
