//! Steps that must succeed.
//!
//! Rows of `kinds`.
//!
//! Invariant: each stays inside what the fuzzer holds and its limits.

use super::super::generator::Generator;
use super::super::step::{Effect, Expected, RECEIVE_LIST, Step, base, call};
use super::step;
use capos_abi::handle::Handle;
use capos_abi::ring::{Opcode, Submission};
use capos_schema::entropy_source::EntropySource;
use capos_schema::entropy_source::EntropySourceReadParams;
use capos_schema::memory_object::{MemoryObject, MemoryObjectReadParams, MemoryObjectWriteParams};
use capos_schema::timer::{Timer, TimerSleepParams};
use capos_schema::virtual_memory::{VirtualMemory, VirtualMemoryCreateObjectParams};

/// Bytes of the object that the fuzzer holds.
pub(crate) const OBJECT_BYTES: u64 = 4096;

/// A call that succeeds; `encode` writes the parameters and returns their bytes.
pub(super) fn succeed(
    generator: &Generator,
    kind: &'static str,
    handle: u32,
    method: (u64, u16),
    encode: impl FnOnce(&mut [u8]) -> usize,
) -> Step {
    let mut made =
        step(generator, kind, &call(generator.slot, handle, method.0, method.1, 0), Expected::Success);
    let length = encode(&mut made.area);
    made.words[4] = made.words[4] & !0xffff_ffff | length as u64;
    made
}

pub(super) fn clock(generator: &mut Generator) -> Option<Step> {
    let method = generator.random.pick(&[Timer::NOW, Timer::RESOLUTION]);
    Some(succeed(generator, "clock", generator.world.timer.handle, (Timer::ID, method), |_| 0))
}

pub(super) fn entropy(generator: &mut Generator) -> Option<Step> {
    let length = generator.random.below(65) as u32;
    let method = (EntropySource::ID, EntropySource::READ);
    Some(succeed(generator, "entropy", generator.world.entropy.handle, method, |area| {
        EntropySourceReadParams { length }.encode(area).unwrap_or(0)
    }))
}

pub(super) fn object_information(generator: &mut Generator) -> Option<Step> {
    let method = (MemoryObject::ID, MemoryObject::INFO);
    Some(succeed(generator, "object information", generator.world.object.handle, method, |_| 0))
}

pub(super) fn object_read(generator: &mut Generator) -> Option<Step> {
    let length = generator.random.below(65) as u32;
    let offset = generator.random.below(OBJECT_BYTES - 64);
    let method = (MemoryObject::ID, MemoryObject::READ);
    Some(succeed(generator, "object read", generator.world.object.handle, method, |area| {
        MemoryObjectReadParams { offset, length }.encode(area).unwrap_or(0)
    }))
}

pub(super) fn object_write(generator: &mut Generator) -> Option<Step> {
    let bytes = generator.random.next().to_le_bytes();
    let offset = generator.random.below(OBJECT_BYTES - 8);
    let method = (MemoryObject::ID, MemoryObject::WRITE);
    Some(succeed(generator, "object write", generator.world.object.handle, method, |area| {
        MemoryObjectWriteParams { offset, bytes: &bytes }.encode(area).unwrap_or(0)
    }))
}

pub(super) fn derive(generator: &mut Generator) -> Option<Step> {
    generator.promised += 1;
    if !generator.world.has_room(generator.promised) {
        return None;
    }
    let source = generator.held();
    let methods = source.methods & generator.random.next();
    let submission =
        Submission { handle: Handle(source.handle), operand: methods, ..Submission::new(Opcode::Derive, 0) };
    let effect = Effect::Derived { interface: source.interface, methods, source: source.handle };
    Some(Step { effect, ..step(generator, "derive", &submission, Expected::Success) })
}

pub(super) fn release(generator: &mut Generator) -> Option<Step> {
    let known = generator.world.give_up(&mut generator.random)?;
    let submission = Submission { handle: Handle(known.handle), ..Submission::new(Opcode::Release, 0) };
    Some(step(generator, "release", &submission, Expected::Success))
}

/// The last of its batch, and in none that derives: what it kills is known then.
pub(super) fn revoke(generator: &mut Generator) -> Option<Step> {
    if generator.has_next() || generator.promised > 0 {
        return None;
    }
    let root = generator.world.revoke(&mut generator.random)?;
    let submission = Submission { handle: Handle(root.handle), ..Submission::new(Opcode::Revoke, 0) };
    Some(step(generator, "revoke", &submission, Expected::Success))
}

/// What was revoked can be given up.
pub(super) fn release_revoked(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.give_up_revoked(&mut generator.random)?;
    let submission = Submission { handle: Handle(handle), ..Submission::new(Opcode::Release, 0) };
    Some(step(generator, "release revoked", &submission, Expected::Success))
}

pub(super) fn usage(generator: &mut Generator) -> Option<Step> {
    let method = (VirtualMemory::ID, VirtualMemory::USAGE);
    Some(succeed(generator, "usage", generator.world.memory.handle, method, |_| 0))
}

pub(super) fn unpark(generator: &mut Generator) -> Option<Step> {
    let submission = Submission {
        address: generator.places.word,
        operand: generator.random.below(3),
        ..Submission::new(Opcode::Unpark, 0)
    };
    Some(step(generator, "unpark", &submission, Expected::Success))
}

pub(super) fn create_object(generator: &mut Generator) -> Option<Step> {
    generator.promised += 1;
    if !generator.world.has_room(generator.promised) {
        return None;
    }
    let bytes = 1 + generator.random.below(3 * 4096);
    let method = (VirtualMemory::ID, VirtualMemory::CREATE_OBJECT);
    let mut made = succeed(generator, "create object", generator.world.memory.handle, method, |area| {
        VirtualMemoryCreateObjectParams { bytes }.encode(area).unwrap_or(0)
    });
    let list = (base(generator.slot) + RECEIVE_LIST) as u64;
    made.words[7] = list << 24 | (1 + generator.random.below(3)) << 56;
    made.effect = Effect::Created;
    Some(made)
}

pub(super) fn sleep_in_the_past(generator: &mut Generator) -> Option<Step> {
    let deadline = generator.random.below(1000);
    let method = (Timer::ID, Timer::SLEEP);
    Some(succeed(generator, "sleep in the past", generator.world.timer.handle, method, |area| {
        TimerSleepParams { deadline }.encode(area).unwrap_or(0)
    }))
}

/// Cancels the operation that waits.
pub(super) fn cancel(generator: &mut Generator) -> Option<Step> {
    let operand = generator.waiting.take()?;
    let submission = Submission { operand, ..Submission::new(Opcode::Cancel, 0) };
    Some(step(generator, "cancel", &submission, Expected::Success))
}
