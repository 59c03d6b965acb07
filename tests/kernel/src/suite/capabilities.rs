//! Capabilities: what a handle reaches, and what it does not.
//!
//! Called by `main`. Calls the kernel through rings by hand where the runtime would never say such a thing.
//!
//! Invariant: every test gives back what it derived.

use alloc::vec::Vec;

use capos_rt::Capability;
use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, Submission, TRANSFER_MOVE};
use capos_rt::hostile;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::{VirtualMemory, VirtualMemoryMapParams, VirtualMemoryMapResults};

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::rings::submit;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "capability",
        &[
            ("masks only shrink", masks_shrink),
            ("a mask of nothing permits nothing", empty_mask),
            ("a chain of derivations", long_chain),
            ("a release does not touch the children", children_survive),
            ("a released handle is dead", released),
            ("a handle of an earlier generation is dead", stale_generation),
            ("made-up handles are dead", made_up),
            ("the wrong interface is refused", wrong_interface),
            ("an interface that differs in one bit is refused", one_bit),
            ("a method that there is not is refused", no_such_method),
            ("thousands can be held and given back", thousands),
            ("what is moved leaves, whatever the reply overwrites", moved),
        ],
    );
}

fn masks_shrink(context: &Context) -> Outcome {
    let two = done("derive", context.timer.derive(1 << Timer::NOW | 1 << Timer::SLEEP))?;
    let one = done("derive", two.derive(1 << Timer::NOW))?;
    done("now", one.now())?;
    refused("sleep", one.sleep(0), Transport::MethodDenied)?;
    refused("derive", one.derive(1 << Timer::SLEEP), Transport::MaskNotWithin)?;
    refused("derive", one.derive(u64::MAX), Transport::MaskNotWithin)?;
    refused("derive", one.derive(1 << 63), Transport::MaskNotWithin)?;
    done("sleep", two.sleep(0))?;
    refused("resolution", two.resolution(), Transport::MethodDenied)
}

fn empty_mask(context: &Context) -> Outcome {
    let none = done("derive", context.timer.derive(0))?;
    refused("now", none.now(), Transport::MethodDenied)?;
    let other = done("derive", none.derive(0))?;
    refused("now", other.now(), Transport::MethodDenied)
}

fn long_chain(context: &Context) -> Outcome {
    let mut chain = Vec::new();
    chain.push(done("derive", context.timer.derive(1 << Timer::NOW))?);
    for _ in 0..300 {
        let next = done("derive", chain[chain.len() - 1].derive(1 << Timer::NOW))?;
        chain.push(next);
    }
    // Every second one goes; the rest must not notice.
    let mut index = 0;
    chain.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    for one in &chain {
        done("now", one.now())?;
    }
    Ok(())
}

fn children_survive(context: &Context) -> Outcome {
    let parent = done("derive", context.timer.derive(1 << Timer::NOW))?;
    let child = done("derive", parent.derive(1 << Timer::NOW))?;
    drop(parent);
    done("now", child.now())?;
    let grandchild = done("derive", child.derive(1 << Timer::NOW))?;
    drop(child);
    done("now", grandchild.now()).map(|_| ())
}

/// `Timer.now` on any handle; the completion's result.
fn now(handle: u32) -> i32 {
    call(handle, Timer::ID, Timer::NOW)
}

fn call(handle: u32, interface: u64, method: u16) -> i32 {
    let submission = Submission {
        handle: capos_rt::abi::handle::Handle(handle),
        interface,
        method,
        flags: FLAG_RESULT_IN_AREA,
        result_address: 1024,
        result_capacity: 64,
        ..Submission::new(Opcode::Call, 7)
    };
    submit(&submission.encode()).result
}

fn released(context: &Context) -> Outcome {
    let timer = done("derive", context.timer.derive(1 << Timer::NOW))?;
    let handle = timer.handle().0;
    drop(timer);
    done("now", context.timer.now())?;
    equal("call", now(handle), Transport::BadHandle.result())?;
    let again =
        Submission { handle: capos_rt::abi::handle::Handle(handle), ..Submission::new(Opcode::Release, 1) };
    equal("release", submit(&again.encode()).result, Transport::BadHandle.result())
}

/// Slots are reused; what named an earlier capability must not name the new one.
fn stale_generation(context: &Context) -> Outcome {
    let first = done("derive", context.timer.derive(1 << Timer::NOW))?;
    let stale = first.handle();
    drop(first);
    for _ in 0..2_000 {
        let next = done("derive", context.timer.derive(1 << Timer::NOW))?;
        check(next.handle() != stale, "a handle came back at once")?;
        let reused = next.handle().index() == stale.index();
        if reused {
            equal("call", now(stale.0), Transport::BadHandle.result())?;
            return equal("call", now(next.handle().0), 0);
        }
    }
    Err("the slot was not reused".into())
}

fn made_up(context: &Context) -> Outcome {
    let real = context.timer.handle().0;
    for bit in 0..32 {
        let other = real ^ 1 << bit;
        let is_known = capos_rt::CapSet::of_this_process().entries().any(|entry| entry.handle.0 == other);
        if !is_known {
            let found = now(other);
            let dead = found == Transport::BadHandle.result();
            // Another live capability of the suite has another interface than the Timer's.
            check(dead || found == Transport::WrongInterface.result(), "a made-up handle works")?;
        }
    }
    for handle in [0, u32::MAX, 0x000f_ffff, 0x0010_0000 | 0xf_ffff] {
        equal("call", now(handle), Transport::BadHandle.result())?;
    }
    Ok(())
}

fn wrong_interface(context: &Context) -> Outcome {
    let handle = context.timer.handle().0;
    equal("call", call(handle, EntropySource::ID, 0), Transport::WrongInterface.result())?;
    equal("call", call(handle, 0, 0), Transport::WrongInterface.result())?;
    // The interface is compared before the method is looked at.
    equal("call", call(handle, EntropySource::ID, 63), Transport::WrongInterface.result())
}

fn one_bit(context: &Context) -> Outcome {
    for bit in 0..64 {
        let found = call(context.timer.handle().0, Timer::ID ^ 1 << bit, Timer::NOW);
        equal("call", found, Transport::WrongInterface.result())?;
    }
    Ok(())
}

fn no_such_method(context: &Context) -> Outcome {
    for method in [3, 63, 64, 0xffff] {
        let found = call(context.timer.handle().0, Timer::ID, method);
        equal("call", found, Transport::NoSuchMethod.result())?;
    }
    Ok(())
}

fn thousands(context: &Context) -> Outcome {
    let before = done("usage", context.memory.usage())?.committed;
    for _ in 0..2 {
        let mut held = Vec::new();
        let refusal = loop {
            match context.timer.derive(1 << Timer::NOW) {
                Ok(one) => held.push(one),
                Err(refusal) => break refusal,
            }
        };
        check(held.len() >= 1_000, "less than a thousand")?;
        let limits = [Transport::NoSlot, Transport::LimitReached, Transport::OutOfMemory];
        check(limits.iter().any(|limit| refusal == (*limit).into()), "another refusal than that of a limit")?;
        done("now", held[held.len() / 2].now())?;
    }
    done("now", context.timer.now())?;
    let after = done("usage", context.memory.usage())?.committed;
    // Tables grow by chunks and keep them; a second round takes no more.
    check(after <= before + (1 << 20), "the table costs more than a mebibyte")
}

/// The reply lies where the send list was: the list counts as it was when the call was checked.
fn moved(context: &Context) -> Outcome {
    const PAGE: u64 = 4096;
    const LIST: u32 = 5120;
    let object = done("create", context.memory.create_object(PAGE))?;
    let handle = object.handle();
    // It is gone behind the call: nobody may release what comes into its slot.
    core::mem::forget(object);
    let parameters = VirtualMemoryMapParams { object: Some(0), offset: 0, length: PAGE, writable: false };
    let mut message = [0; 64];
    let length = parameters.encode(&mut message).map_err(|_| "the message does not fit")?;
    hostile::write_area(4096, &message[..length]);
    hostile::write_area(LIST as usize, &(u64::from(handle.0) | u64::from(TRANSFER_MOVE) << 32).to_le_bytes());
    let submission = Submission {
        handle: context.memory.handle(),
        interface: VirtualMemory::ID,
        method: VirtualMemory::MAP,
        flags: FLAG_PARAMETERS_IN_AREA | FLAG_RESULT_IN_AREA,
        address: 4096,
        length: length as u32,
        result_address: u64::from(LIST),
        result_capacity: 64,
        send_list: LIST,
        send_count: 1,
        ..Submission::new(Opcode::Call, 12)
    };
    equal("map", submit(&submission.encode()).result, 0)?;
    let mut reply = [0; VirtualMemoryMapResults::FIXED_BYTES];
    hostile::read_area(LIST as usize, &mut reply);
    let reply = VirtualMemoryMapResults::decode(&reply).map_err(|_| "the reply cannot be read")?;
    equal("call", call(handle.0, MemoryObject::ID, MemoryObject::INFO), Transport::BadHandle.result())?;
    done("unmap", context.memory.unmap(reply.address, PAGE))
}
