//! `load`: keeps ring 0 busy in one of the ways that could keep everybody else waiting.
//!
//! Started by `stretch`; what its CapSet has says which way: `endpoint` serves calls of every size, `service` keeps its ring
//! full of the largest calls to a server, `object` keeps it full of the largest writes of a memory object and reads it,
//! `random` asks for as many random bytes as it can get, and `ready` fills 512 MiB, says so, and exits.
//!
//! Invariant: all but the last go on until they are ended; an exit code other than 0 says that something went wrong.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::CallError;
use capos_rt::abi::message::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::abi::ring::{KERNEL_INTERFACE, RECEIVED_HEADER_BYTES};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::untyped::Room;
use capos_rt::{Cap, CapSet, hostile};

capos_rt::entry!(main);

/// The largest message that a call between processes has room for.
const LARGEST: usize = MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES;
/// Receives that a server has waiting.
const RECEIVES: usize = 8;
/// Bytes that are filled.
const FILLED: u64 = 512 << 20;
const PAGE: u64 = 4096;

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

/// Gives each page of 512 MiB its frame, waits until that is heard, and ends with all of it.
fn fill(ready: &Cap<Probe>, memory: &Cap<VirtualMemory>) -> Result<(), CallError> {
    let address = memory.reserve(FILLED)?;
    memory.commit(address, FILLED)?;
    for page in 0..FILLED / PAGE {
        hostile::store(address + page * PAGE);
    }
    ready.call_bytes(0, &[], &mut []).map(drop)
}
