//! Steps that must be refused, each for one reason.
//!
//! Rows of `kinds`.
//!
//! Invariant: apart from the reason in its name a step is well formed.

use super::super::generator::Generator;
use super::super::step::{Expected, RECEIVE_LIST, SEND_LIST, SLOT_BYTES, Step, base, call};
use super::accepted::OBJECT_BYTES;
use super::step;
use capos_abi::error::{Exception, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::{CAPABILITIES_MAX, MESSAGE_BYTES_MAX};
use capos_abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, Submission, TRANSFER_MOVE};
use capos_schema::endpoint::Endpoint;
use capos_schema::entropy_source::{EntropySource, EntropySourceReadParams};
use capos_schema::memory_object::{MemoryObject, MemoryObjectReadParams};
use capos_schema::timer::{Timer, TimerSleepParams};
use capos_schema::virtual_memory::{
    VirtualMemory, VirtualMemoryCommitParams, VirtualMemoryCreateObjectParams, VirtualMemoryMapParams,
};

/// Addresses that no program can use.
const BAD_POINTERS: [u64; 5] = [0, 0x10, 0x0000_7fff_ffff_f000, 0x8000_0000_0000_0000, 0xffff_8000_0000_0000];

fn refuse(
    generator: &Generator,
    kind: &'static str,
    submission: &Submission,
    reason: Transport,
) -> Option<Step> {
    Some(step(generator, kind, submission, Expected::Refused(reason)))
}

/// `Timer.now`, well formed.
fn now(generator: &Generator) -> Submission {
    call(generator.slot, generator.world.timer.handle, Timer::ID, Timer::NOW, 0)
}

/// Puts parameters into the step's slot.
pub(super) fn with(mut step: Step, encode: impl FnOnce(&mut [u8]) -> usize) -> Option<Step> {
    let length = encode(&mut step.area);
    step.words[4] = step.words[4] & !0xffff_ffff | length as u64;
    Some(step)
}

pub(super) fn sleep_until_cancelled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    generator.waiting = Some(generator.user_data);
    let submission = call(generator.slot, generator.world.timer.handle, Timer::ID, Timer::SLEEP, 0);
    let far = u64::MAX - 1 - generator.random.below(1 << 40);
    let made = step(generator, "sleep", &submission, Expected::Refused(Transport::Cancelled));
    with(made, |area| TimerSleepParams { deadline: far }.encode(area).unwrap_or(0))
}

pub(super) fn park_until_cancelled(generator: &mut Generator) -> Option<Step> {
    if !generator.has_next() {
        return None;
    }
    generator.waiting = Some(generator.user_data);
    let submission = Submission {
        address: generator.places.word,
        operand: generator.places.value.into(),
        ..Submission::new(Opcode::Park, 0)
    };
    refuse(generator, "park", &submission, Transport::Cancelled)
}

pub(super) fn unknown_opcode(generator: &mut Generator) -> Option<Step> {
    let known = Opcode::ALL.len() as u64;
    let opcode = known + generator.random.below(256 - known);
    let mut made =
        step(generator, "unknown opcode", &now(generator), Expected::Refused(Transport::UnknownOpcode));
    made.words[0] = made.words[0] & !0xff | opcode;
    Some(made)
}

pub(super) fn reserved_field(generator: &mut Generator) -> Option<Step> {
    let opcode = generator.random.pick(&[Opcode::Nop, Opcode::Release, Opcode::Cancel, Opcode::Unpark]);
    let mut made = step(
        generator,
        "reserved field",
        &Submission::new(opcode, 0),
        Expected::Refused(Transport::ReservedNotZero),
    );
    let garbage = generator.random.next() | 1;
    match generator.random.below(5) {
        0 => made.words[1] = garbage,
        1 => made.words[0] |= (garbage & 0xffff) << 16,
        2 => made.words[5] = garbage,
        3 => made.words[7] = garbage,
        _ => made.words[4] = garbage,
    }
    Some(made)
}

pub(super) fn unknown_flag(generator: &mut Generator) -> Option<Step> {
    let flag = 4u8 << generator.random.below(6);
    let submission = Submission { flags: flag | FLAG_RESULT_IN_AREA, ..now(generator) };
    refuse(generator, "unknown flag", &submission, Transport::ReservedNotZero)
}

pub(super) fn message_too_large(generator: &mut Generator) -> Option<Step> {
    let size = (MESSAGE_BYTES_MAX as u64 + 1 + generator.random.below(1 << 31)) as u32;
    let mut submission = now(generator);
    if generator.random.once_in(2) {
        submission.length = size;
    } else {
        submission.result_capacity = size;
    }
    refuse(generator, "message too large", &submission, Transport::TooLarge)
}

pub(super) fn reply_too_large(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.entropy.handle;
    let mut submission = call(generator.slot, handle, EntropySource::ID, EntropySource::READ, 0);
    submission.result_capacity = 8 * generator.random.below(4) as u32;
    let made = step(generator, "reply too large", &submission, Expected::Refused(Transport::TooLarge));
    with(made, |area| EntropySourceReadParams { length: 64 }.encode(area).unwrap_or(0))
}

pub(super) fn area_offset(generator: &mut Generator) -> Option<Step> {
    let area = u64::from(generator.layout.area_bytes);
    let outside =
        generator.random.pick(&[area, area - 8, area + 8, u64::MAX - 7, u64::MAX - 0xffff, 1 << 32]);
    let mut submission = Submission { length: 16, ..now(generator) };
    match generator.random.below(3) {
        0 => submission.address = outside,
        1 => submission.result_address = outside,
        _ => {
            submission.send_list = (area & !7) as u32;
            submission.send_count = 1;
        }
    }
    refuse(generator, "offset outside the area", &submission, Transport::BadAddress)
}

pub(super) fn pointer_to_parameters(generator: &mut Generator) -> Option<Step> {
    let address = generator.random.pick(&BAD_POINTERS) & !7;
    let handle = generator.world.timer.handle;
    let submission = Submission {
        flags: FLAG_RESULT_IN_AREA,
        address,
        length: 16 + 8 * generator.random.below(4) as u32,
        ..call(generator.slot, handle, Timer::ID, Timer::SLEEP, 0)
    };
    refuse(generator, "pointer to parameters", &submission, Transport::BadAddress)
}

pub(super) fn pointer_to_result(generator: &mut Generator) -> Option<Step> {
    let result_address = if generator.random.once_in(3) {
        generator.places.read_only
    } else {
        generator.random.pick(&BAD_POINTERS) & !7
    };
    let submission = Submission { flags: FLAG_PARAMETERS_IN_AREA, result_address, ..now(generator) };
    refuse(generator, "pointer to result", &submission, Transport::BadAddress)
}

pub(super) fn misaligned(generator: &mut Generator) -> Option<Step> {
    let odd = 1 + generator.random.below(7);
    let mut submission = now(generator);
    match generator.random.below(4) {
        0 => submission.address += odd,
        1 => {
            submission.result_capacity -= 8;
            submission.result_address += odd;
        }
        2 => submission.send_list = odd as u32,
        _ => submission.receive_list = 4 * odd as u32 - 2,
    }
    refuse(generator, "misaligned", &submission, Transport::BadAddress)
}

pub(super) fn parked_address(generator: &mut Generator) -> Option<Step> {
    let opcode = Opcode::Park;
    let address = if generator.random.once_in(2) {
        generator.places.word + 1 + generator.random.below(3)
    } else {
        generator.random.pick(&BAD_POINTERS)
    };
    let submission = Submission { address, operand: 1, ..Submission::new(opcode, 0) };
    refuse(generator, "parked address", &submission, Transport::BadAddress)
}

pub(super) fn dead_handle(generator: &mut Generator) -> Option<Step> {
    let handle = generator.dead_handle();
    let submission = match generator.random.below(3) {
        0 => Submission { handle: Handle(handle), ..Submission::new(Opcode::Release, 0) },
        1 => Submission { handle: Handle(handle), operand: 1, ..Submission::new(Opcode::Derive, 0) },
        _ => Submission { handle: Handle(handle), ..now(generator) },
    };
    refuse(generator, "dead handle", &submission, Transport::BadHandle)
}

pub(super) fn revoked(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.revoked(&mut generator.random)?;
    let submission = match generator.random.below(3) {
        0 => Submission { handle: Handle(handle), ..Submission::new(Opcode::Revoke, 0) },
        1 => Submission { handle: Handle(handle), ..Submission::new(Opcode::Derive, 0) },
        _ => Submission { handle: Handle(handle), ..now(generator) },
    };
    refuse(generator, "revoked", &submission, Transport::Revoked)
}

pub(super) fn wrong_interface(generator: &mut Generator) -> Option<Step> {
    let known = generator.held();
    let interface = match generator.random.below(3) {
        0 => generator.random.next(),
        1 => known.interface ^ 1 << generator.random.below(64),
        _ => generator.random.pick(&[Timer::ID, EntropySource::ID, VirtualMemory::ID, MemoryObject::ID]),
    };
    if interface == known.interface {
        return None;
    }
    let submission = call(generator.slot, known.handle, interface, 0, 0);
    refuse(generator, "wrong interface", &submission, Transport::WrongInterface)
}

pub(super) fn denied(generator: &mut Generator) -> Option<Step> {
    let known = generator.world.derived(&mut generator.random)?;
    let method = (0..3).find(|method| known.methods & 1 << method == 0)?;
    let submission = call(generator.slot, known.handle, known.interface, method, 0);
    let methods = match known.interface {
        EntropySource::ID => 1,
        Endpoint::ID => 2,
        _ => 3,
    };
    let is_method = method < methods;
    let reason = if is_method {
        Expected::Refused(Transport::MethodDenied)
    } else {
        Expected::Either(Transport::MethodDenied, Transport::NoSuchMethod)
    };
    Some(step(generator, "denied", &submission, reason))
}

pub(super) fn no_such_method(generator: &mut Generator) -> Option<Step> {
    let known = generator.world.root(&mut generator.random);
    let method = generator.random.pick(&[7, 9, 63, 64, 65, 128, 0x8000, 0xffff]);
    let submission = call(generator.slot, known.handle, known.interface, method, 0);
    refuse(generator, "no such method", &submission, Transport::NoSuchMethod)
}

pub(super) fn malformed_message(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.timer.handle;
    let submission = call(generator.slot, handle, Timer::ID, Timer::SLEEP, 0);
    let made = step(generator, "malformed message", &submission, Expected::Refused(Transport::BadMessage));
    let variant = generator.random.below(5);
    with(made, |area| {
        let length = TimerSleepParams { deadline: 0 }.encode(area).unwrap_or(0);
        match variant {
            0 => return length - 4,
            1 => area[0] |= 2,
            2 => area[0] |= 1,
            3 => area[4] = 200,
            _ => area[3] = 0x10,
        }
        length
    })
}

pub(super) fn no_slot(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.memory.handle;
    let submission = call(generator.slot, handle, VirtualMemory::ID, VirtualMemory::CREATE_OBJECT, 0);
    let made = step(generator, "no slot", &submission, Expected::Refused(Transport::NoSlot));
    with(made, |area| VirtualMemoryCreateObjectParams { bytes: 4096 }.encode(area).unwrap_or(0))
}

pub(super) fn over_the_limit(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.memory.handle;
    let bytes = (1 << 32) + generator.random.below(1 << 38);
    let submission = Submission {
        receive_list: (base(generator.slot) + RECEIVE_LIST) as u32,
        receive_slots: 1,
        ..call(generator.slot, handle, VirtualMemory::ID, VirtualMemory::CREATE_OBJECT, 0)
    };
    let made = step(generator, "over the limit", &submission, Expected::Refused(Transport::LimitReached));
    with(made, |area| VirtualMemoryCreateObjectParams { bytes }.encode(area).unwrap_or(0))
}

pub(super) fn mask_not_within(generator: &mut Generator) -> Option<Step> {
    let known = generator.held();
    let missing = !known.methods & 1 << generator.random.below(64);
    if missing == 0 {
        return None;
    }
    let operand = known.methods & generator.random.next() | missing;
    let submission =
        Submission { handle: Handle(known.handle), operand, ..Submission::new(Opcode::Derive, 0) };
    refuse(generator, "mask not within", &submission, Transport::MaskNotWithin)
}

pub(super) fn value_changed(generator: &mut Generator) -> Option<Step> {
    let other = generator.places.value ^ 1 << generator.random.below(32);
    let submission = Submission {
        address: generator.places.word,
        operand: other.into(),
        ..Submission::new(Opcode::Park, 0)
    };
    refuse(generator, "value changed", &submission, Transport::ValueChanged)
}

pub(super) fn nothing_to_cancel(generator: &mut Generator) -> Option<Step> {
    let operand = generator.random.next() | 1 << 63;
    let submission = Submission { operand, ..Submission::new(Opcode::Cancel, 0) };
    refuse(generator, "nothing to cancel", &submission, Transport::NotFound)
}

pub(super) fn transfer_list(generator: &mut Generator) -> Option<Step> {
    let handle = generator.world.memory.handle;
    let mut submission = call(generator.slot, handle, VirtualMemory::ID, VirtualMemory::MAP, 0);
    submission.send_list = (base(generator.slot) + SEND_LIST) as u32;
    let variant = generator.random.below(4);
    let too_many = (CAPABILITIES_MAX as u64 + 1 + generator.random.below(200)) as u8;
    match variant {
        0 => submission.send_count = too_many,
        1 => submission.receive_slots = too_many,
        2 => submission.send_count = 1,
        _ => submission.send_count = 2,
    }
    let object = generator.world.object.handle.to_le_bytes();
    let mode =
        if variant == 2 { TRANSFER_MOVE + 1 + generator.random.next() as u32 % 1000 } else { TRANSFER_MOVE };
    let made = step(generator, "transfer list", &submission, Expected::Refused(Transport::BadTransfer));
    with(made, |area| {
        for entry in [SEND_LIST, SEND_LIST + 8] {
            area[entry..entry + 4].copy_from_slice(&object);
            area[entry + 4..entry + 8].copy_from_slice(&mode.to_le_bytes());
        }
        VirtualMemoryMapParams { object: Some(0), offset: 0, length: OBJECT_BYTES, writable: false }
            .encode(area)
            .unwrap_or(0)
    })
}

pub(super) fn exception(generator: &mut Generator) -> Option<Step> {
    let (object, entropy) = (generator.world.object.handle, generator.world.entropy.handle);
    let memory = generator.world.memory.handle;
    let expected = Expected::Exception(Exception::InvalidArgument);
    let far = OBJECT_BYTES + generator.random.below(1 << 60);
    let odd = 1 + generator.random.below(4094);
    match generator.random.below(3) {
        0 => {
            let submission = call(generator.slot, object, MemoryObject::ID, MemoryObject::READ, 0);
            let made = step(generator, "read outside", &submission, expected);
            with(made, |area| MemoryObjectReadParams { offset: far, length: 8 }.encode(area).unwrap_or(0))
        }
        1 => {
            let submission = call(generator.slot, entropy, EntropySource::ID, EntropySource::READ, 0);
            let made = step(generator, "too much entropy", &submission, expected);
            with(made, |area| EntropySourceReadParams { length: 65_537 }.encode(area).unwrap_or(0))
        }
        _ => {
            let submission = call(generator.slot, memory, VirtualMemory::ID, VirtualMemory::COMMIT, 0);
            let made = step(generator, "odd address", &submission, expected);
            with(made, |area| {
                VirtualMemoryCommitParams { address: 0x4000_0000 + odd, length: 4096 }
                    .encode(area)
                    .unwrap_or(0)
            })
        }
    }
}

/// Eight random words, made into something that the shared validator refuses: the kernel must refuse it for the same
/// reason.
pub(super) fn noise(generator: &mut Generator) -> Option<Step> {
    let mut words = [0; 8];
    for word in &mut words {
        *word = generator.random.next();
    }
    words[0] = words[0] & !0xff | generator.random.below(Opcode::ALL.len() as u64 + 2);
    let reason = Submission::decode(&words, &generator.layout).err()?;
    Some(Step { words, area: [0xa5; SLOT_BYTES], ..refuse(generator, "noise", &now(generator), reason)? })
}
