//! `crash`: a program that ends badly, in the way that its argument says.
//!
//! Started by the suite once for each way, with the memory object `argument` (the name of the way) in its CapSet. Calls the
//! runtime's hostile part.
//!
//! Invariant: it ends with exit code 99 only if what must have ended it did not.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod behave;
mod by_hand;
mod calls;
mod contents;
mod direct;
mod direct_by_hand;
mod drive;
mod memory;
mod notify;
mod revoked;
mod spend;
mod ways;

use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// The exit code of a program that survived.
const SURVIVED: u32 = 99;
/// The exit code for an argument that cannot be read or is not in the table.
const NOT_ASKED: u32 = 98;

fn main(capabilities: &CapSet) -> ExitStatus {
    let mut bytes = [0; 64];
    let Some(argument) = argument(capabilities, &mut bytes) else { return ExitStatus::exited(NOT_ASKED) };
    if let Some(way) = ways::find(argument) {
        way();
        return ExitStatus::exited(SURVIVED);
    }
    let way = behave::find(argument)
        .or_else(|| calls::find(argument))
        .or_else(|| direct::find(argument))
        .or_else(|| direct_by_hand::find(argument))
        .or_else(|| drive::find(argument))
        .or_else(|| notify::find(argument))
        .or_else(|| spend::find(argument));
    ExitStatus::exited(way.map_or(NOT_ASKED, |way| way(capabilities)))
}

/// The text of the memory object `argument`.
fn argument<'b>(capabilities: &CapSet, bytes: &'b mut [u8; 64]) -> Option<&'b str> {
    let object: Cap<MemoryObject> = capabilities.get("argument").ok()?;
    let length = object.info().ok()?.bytes.min(64) as usize;
    object.read(0, length as u32, &mut bytes[..length]).ok()?;
    core::str::from_utf8(&bytes[..length]).ok()
}
