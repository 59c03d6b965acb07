//! Steps about what processes share: notifications, and memory objects in the fuzzer's own address space.
//!
//! Rows of `kinds`, and the steps that follow them by themselves.
//!
//! Invariant: the bits of a notification are in three groups: some are only signalled and polled, each wait that is to end has
//! one of its own, signalled in the same batch, and one is never signalled.

use super::super::generator::{Follow, Generator};
use super::super::step::{Effect, Expected, SEND_LIST, Step, base, call};
use super::accepted::{OBJECT_BYTES, succeed};
use super::refused::with;
use super::step;
use capos_abi::error::{Exception, Transport};
use capos_abi::ring::TRANSFER_COPY;
use capos_schema::notification::{
    Notification, NotificationPollParams, NotificationSignalParams, NotificationWaitParams,
};
use capos_schema::virtual_memory::{VirtualMemory, VirtualMemoryMapParams, VirtualMemoryUnmapParams};

/// Bits that are signalled and polled at will.
const LOOSE: u64 = 0xffff_ffff;
/// The first of the bits that waits have for themselves, and how many there are.
const OWN: u64 = 32;
const OWN_BITS: u64 = 24;
/// The bit that nobody signals.
const NEVER: u64 = 1 << 63;

fn signal_bits(generator: &Generator, bits: u64) -> Step {
    let method = (Notification::ID, Notification::SIGNAL);
    succeed(generator, "signal", generator.world.notification.handle, method, |area| {
        NotificationSignalParams { bits }.encode(area).unwrap_or(0)
    })
}

fn wait_for(generator: &Generator, mask: u64, expected: Expected) -> Option<Step> {
    let handle = generator.world.notification.handle;
    let submission = call(generator.slot, handle, Notification::ID, Notification::WAIT, 0);
    with(step(generator, "wait for bits", &submission, expected), |area| {
        NotificationWaitParams { mask }.encode(area).unwrap_or(0)
    })
}

pub(super) fn signal(generator: &mut Generator) -> Option<Step> {
    let bits = generator.random.next() & LOOSE;
    Some(signal_bits(generator, bits))
}

pub(super) fn poll(generator: &mut Generator) -> Option<Step> {
    let mask = generator.random.next() & LOOSE;
    let method = (Notification::ID, Notification::POLL);
    Some(succeed(generator, "poll", generator.world.notification.handle, method, |area| {
        NotificationPollParams { mask }.encode(area).unwrap_or(0)
    }))
}

/// A wait that the next step ends.
pub(super) fn wait_until_signalled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    let bit = 1 << (OWN + generator.random.below(OWN_BITS));
    generator.follow([Follow::Signal(bit), Follow::Nothing, Follow::Nothing]);
    wait_for(generator, bit, Expected::Success)
}

pub(super) fn wait_until_cancelled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    generator.waiting = Some(generator.user_data);
    wait_for(generator, NEVER, Expected::Refused(Transport::Cancelled))
}

pub(super) fn wait_for_nothing(generator: &mut Generator) -> Option<Step> {
    wait_for(generator, 0, Expected::Exception(Exception::InvalidArgument))
}

/// What follows a wait.
pub(super) fn end_wait(generator: &Generator, bits: u64) -> Step {
    signal_bits(generator, bits)
}

/// Maps the fuzzer's object, or asks for more than there is of it.
pub(super) fn map(generator: &mut Generator) -> Option<Step> {
    if !generator.world.has_room_for_mapping() {
        return None;
    }
    let is_too_long = generator.random.once_in(4);
    let length = if is_too_long { 2 * OBJECT_BYTES } else { OBJECT_BYTES };
    let writable = generator.random.once_in(2);
    let memory = generator.world.memory;
    let mut submission = call(generator.slot, memory.handle, memory.interface, VirtualMemory::MAP, 0);
    submission.send_list = (base(generator.slot) + SEND_LIST) as u32;
    submission.send_count = 1;
    let expected =
        if is_too_long { Expected::Exception(Exception::InvalidArgument) } else { Expected::Success };
    let mut made = step(generator, "map", &submission, expected);
    if !is_too_long {
        generator.world.expect_mapping();
        made.effect = Effect::Mapped;
    }
    let row = u64::from(generator.world.object.handle) | u64::from(TRANSFER_COPY) << 32;
    made.area[SEND_LIST..SEND_LIST + 8].copy_from_slice(&row.to_le_bytes());
    with(made, |area| {
        VirtualMemoryMapParams { object: Some(0), offset: 0, length, writable }.encode(area).unwrap_or(0)
    })
}

/// Takes a mapping away again.
pub(super) fn unmap(generator: &mut Generator) -> Option<Step> {
    let address = generator.world.give_up_mapping()?;
    let method = (VirtualMemory::ID, VirtualMemory::UNMAP);
    Some(succeed(generator, "unmap", generator.world.memory.handle, method, |area| {
        VirtualMemoryUnmapParams { address, length: OBJECT_BYTES }.encode(area).unwrap_or(0)
    }))
}
