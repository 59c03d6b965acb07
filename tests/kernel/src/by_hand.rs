//! A call by hand, with its reply wherever the test wants it.
//!
//! Used by the suite and by `crash`; calls the runtime's hostile part.
//!
//! Invariant: nothing else of the runtime is in flight meanwhile, and the runtime finds the rings as they are behind it.

use capos_rt::abi::ring::{Opcode, offset};
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::{Cap, Capability, hostile};

/// Bytes that the reply may have.
const CAPACITY: u64 = 64;

/// `MemoryObject.info`, its reply at `address`; returns the completion's result.
pub fn info_into(object: &Cap<MemoryObject>, address: u64) -> i32 {
    // Releases that wait to be handed over go first.
    capos_rt::flush();
    hostile::resynchronize();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    let head = hostile::header(offset::COMPLETION_TAIL);
    let first =
        Opcode::Call as u64 | u64::from(MemoryObject::INFO) << 16 | u64::from(object.handle().0) << 32;
    let words = [first, MemoryObject::DESCRIPTION.id, 1, 0, CAPACITY << 32, address, 0, 0];
    hostile::write_submission(tail, &words);
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    hostile::enter(1, u64::MAX, 0);
    let result = hostile::read_completion(head)[1] as u32 as i32;
    hostile::resynchronize();
    result
}
