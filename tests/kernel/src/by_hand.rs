//! Submissions by hand: a call with its reply wherever the test wants it, and one that looks at the vector registers.
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

/// Submits these words with an `enter` that waits for one completion, with values made of `pattern` in the vector registers.
/// Returns the completion's result, or `None` if the registers hold something else behind it. What the runtime has begun
/// must be over.
pub fn enter_with_vectors(words: &[u64; 8], pattern: u64) -> Option<i32> {
    hostile::resynchronize();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    let head = hostile::header(offset::COMPLETION_TAIL);
    hostile::write_submission(tail, words);
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    let mut touched = 0u8;
    let touch = (&raw mut touched).expose_provenance() as u64;
    let is_kept = hostile::vector_state_survives_enter(pattern, touch, 1, [1, u64::MAX]);
    let result = hostile::read_completion(head)[1] as u32 as i32;
    hostile::resynchronize();
    is_kept.then_some(result)
}

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
