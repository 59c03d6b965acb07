//! Steps about an endpoint that the fuzzer serves itself.
//!
//! Rows of `kinds`, and the steps that follow them by themselves.
//!
//! Invariant: a row leaves nothing at the endpoint: what it begins is received, given up and told within its batch.

use super::super::generator::{Follow, Generator};
use super::super::step::{Effect, Expected, RECEIVE_LIST, RESULT, SEND_LIST, Step, base, call};
use super::step;
use capos_abi::error::Transport;
use capos_abi::handle::Handle;
use capos_abi::ring::{
    FLAG_RESULT_IN_AREA, Opcode, RECEIVED_HEADER_BYTES, Submission, TRANSFER_COPY, TRANSFER_MINT,
    TRANSFER_MOVE,
};

/// Bytes that a receive accepts behind its header.
const ROOM: u64 = 48;

/// A call to the root object, with `length` bytes.
fn to_service(generator: &mut Generator, length: u64) -> Submission {
    let service = generator.world.service;
    let method = generator.random.below(3) as u16;
    call(generator.slot, service.handle, service.interface, method, length as usize)
}

/// A receive into the step's own slot.
fn receive(generator: &Generator) -> Submission {
    Submission {
        flags: FLAG_RESULT_IN_AREA,
        handle: Handle(generator.world.endpoint.handle),
        result_address: (base(generator.slot) + RESULT) as u64,
        result_capacity: RECEIVED_HEADER_BYTES as u32 + ROOM as u32,
        receive_list: (base(generator.slot) + RECEIVE_LIST) as u32,
        receive_slots: 1,
        ..Submission::new(Opcode::Receive, 0)
    }
}

/// A call that nobody receives, until it is cancelled. What it would move stays.
pub(super) fn call_until_cancelled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    generator.waiting = Some(generator.user_data);
    let length = generator.random.below(100);
    let submission = to_service(generator, length);
    let moved = generator.world.derived(&mut generator.random);
    Some(carrying(generator, "call", submission, moved.map(|known| (known.handle, TRANSFER_MOVE))))
}

/// A receive that gets nothing, until it is cancelled.
pub(super) fn receive_until_cancelled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    generator.waiting = Some(generator.user_data);
    Some(step(generator, "receive", &receive(generator), Expected::Refused(Transport::Cancelled)))
}

/// A call that is received, then cancelled, and whose server is told. Often it carries a capability, as a copy or as a move:
/// what came stays with the server.
pub(super) fn call_given_up(generator: &mut Generator) -> Option<Step> {
    if !generator.has_more(3) {
        return None;
    }
    let has_room = generator.world.has_room(generator.promised + 1);
    let (row, effect) = match generator.random.below(4) {
        0 if has_room => (Some((generator.world.object.handle, TRANSFER_COPY)), Effect::Created),
        1 | 2 if has_room => match generator.world.send_away(&mut generator.random) {
            Some(before) => (Some((before.handle, TRANSFER_MOVE)), Effect::Moved { before }),
            None => (None, Effect::None),
        },
        _ => (None, Effect::None),
    };
    generator.promised += usize::from(row.is_some());
    generator.follow([
        Follow::Receive(effect),
        Follow::Cancel(generator.user_data),
        Follow::Receive(Effect::None),
    ]);
    let length = generator.random.below(ROOM + 1);
    let submission = to_service(generator, length);
    Some(carrying(generator, "call given up", submission, row))
}

/// A step whose send list has this handle, to be transferred in this mode.
fn carrying(
    generator: &Generator,
    kind: &'static str,
    mut submission: Submission,
    row: Option<(u32, u32)>,
) -> Step {
    submission.send_list = row.map_or(0, |_| (base(generator.slot) + SEND_LIST) as u32);
    submission.send_count = u8::from(row.is_some());
    let mut made = step(generator, kind, &submission, Expected::Refused(Transport::Cancelled));
    if let Some((handle, mode)) = row {
        let row = u64::from(handle) | u64::from(mode) << 32;
        made.area[SEND_LIST..SEND_LIST + 8].copy_from_slice(&row.to_le_bytes());
    }
    made
}

/// A call that a receive cannot take; the receive is cancelled.
pub(super) fn call_too_large(generator: &mut Generator) -> Option<Step> {
    if !generator.has_more(2) {
        return None;
    }
    let user_data = generator.user_data;
    generator.follow([Follow::Refused, Follow::Cancel(user_data + 1), Follow::Nothing]);
    let length = ROOM + 1 + generator.random.below(100);
    let submission = to_service(generator, length);
    Some(step(generator, "call too large", &submission, Expected::Refused(Transport::TooLarge)))
}

/// What follows by itself.
pub(super) fn following(generator: &mut Generator, follow: Follow) -> Step {
    match follow {
        Follow::Receive(effect) => {
            Step { effect, ..step(generator, "receive", &receive(generator), Expected::Success) }
        }
        Follow::Refused => {
            step(generator, "receive", &receive(generator), Expected::Refused(Transport::Cancelled))
        }
        Follow::Cancel(operand) => {
            let submission = Submission { operand, ..Submission::new(Opcode::Cancel, 0) };
            step(generator, "cancel", &submission, Expected::Success)
        }
        Follow::Nothing | Follow::Signal(_) => super::nop(generator),
    }
}

/// A call to an object whose endpoint is closed.
pub(super) fn disconnected(generator: &mut Generator) -> Option<Step> {
    let orphan = generator.world.orphan;
    let submission = call(generator.slot, orphan.handle, orphan.interface, 0, 0);
    Some(step(generator, "disconnected", &submission, Expected::Refused(Transport::Disconnected)))
}

/// A call to an object whose process has ended.
pub(super) fn dead_object(generator: &mut Generator) -> Option<Step> {
    let dead = generator.world.dead_object;
    let submission = call(generator.slot, dead.handle, dead.interface, 0, 0);
    Some(step(generator, "dead object", &submission, Expected::Refused(Transport::Disconnected)))
}

/// A return of a call that nobody received.
pub(super) fn caller_gone(generator: &mut Generator) -> Option<Step> {
    let operand = match generator.random.below(3) {
        0 => generator.random.next(),
        1 => generator.random.below(4096),
        _ => generator.random.below(4096) | generator.random.below(1000) << 32,
    };
    let submission = if generator.random.once_in(2) {
        Submission { operand, ..Submission::new(Opcode::Return, 0) }
    } else {
        Submission { opcode: Opcode::ReturnAndReceive, operand, ..receive(generator) }
    };
    Some(step(generator, "caller gone", &submission, Expected::Refused(Transport::CallerGone)))
}

/// A call that would mint.
pub(super) fn call_mints(generator: &mut Generator) -> Option<Step> {
    let mut submission = to_service(generator, 0);
    submission.send_list = (base(generator.slot) + SEND_LIST) as u32;
    submission.send_count = 1;
    let mut made = step(generator, "call mints", &submission, Expected::Refused(Transport::BadTransfer));
    let row = u64::from(TRANSFER_MINT) << 32;
    made.area[SEND_LIST..SEND_LIST + 8].copy_from_slice(&row.to_le_bytes());
    Some(made)
}
