//! The ways to behave: programs for tests that need another process, which do not crash.
//!
//! Called by `main`; calls the runtime.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_rt::abi::outcome::{ExitStatus, OutcomeKind};
use capos_rt::schema::console::Console;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile, process};

use crate::{memory, revoked};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("exit 0", |_| 0),
        ("exit 42", |_| 42),
        ("exit 4294967295", |_| u32::MAX),
        ("claim killed", |_| claim((OutcomeKind::Killed as u64) << 32 | 5)),
        ("claim fault", |_| claim((OutcomeKind::Fault as u64) << 32 | 6)),
        ("claim nonsense", |_| claim(u64::MAX)),
        ("claim trap", |_| trap()),
        ("unreadable report", |_| unreadable_report()),
        ("spin", |_| hostile::spin()),
        ("wait for ever", |_| wait_for_ever()),
        ("vectors 1", |capabilities| vectors(capabilities, 0x1111_2222_3333_4444)),
        ("vectors 2", |capabilities| vectors(capabilities, 0xfeed_beef_dead_0123)),
        ("held exactly", held_exactly),
        ("nothing held", nothing_held),
        ("touch stack", |_| (touch(40) != 40).into()),
        ("random", random),
        ("allocate", allocate),
        ("touch and keep", touch_and_keep),
        ("flags", |_| flags()),
        ("call until revoked", revoked::call),
        ("derive until revoked", revoked::derive),
        ("share until revoked", revoked::share),
        ("share at the limit", revoked::share_at_the_limit),
        ("revoke and exit", revoked::revoke_and_exit),
        ("masks", revoked::masks),
        ("run mapped code", memory::run_code),
        ("write mapped code", memory::write_code),
        ("jump to mapped data", memory::jump_to_data),
        ("map what is read only", memory::map_read_only),
        ("write a read-only mapping", memory::write_read_only),
        ("read data", memory::read_data),
        ("write data", memory::write_data),
        ("report from data", memory::report_from_data),
        ("data by call", memory::data_by_call),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

/// Ends with a status word that no honest program writes.
fn claim(word: u64) -> u32 {
    hostile::system_call(0, [1, word, 0, 0]);
    1
}

fn trap() -> u32 {
    process::end(ExitStatus { kind: OutcomeKind::Trap, code: 3 }, "unreachable executed")
}

fn unreadable_report() -> u32 {
    hostile::system_call(0, [1, ExitStatus::exited(9).to_word(), 0xffff_8000_0000_0000, 100]);
    1
}

fn wait_for_ever() -> u32 {
    hostile::enter(1, u64::MAX, 0);
    1
}

/// Long enough to be preempted several times; each round touches a page that has no frame yet.
fn vectors(capabilities: &CapSet, pattern: u64) -> u32 {
    const ROUNDS: u32 = 20;
    let Ok(memory) = capabilities.get::<VirtualMemory>("memory") else { return 1 };
    let length = u64::from(ROUNDS) * 4096;
    let Ok(address) = memory.reserve(length) else { return 2 };
    if memory.commit(address, length).is_err() {
        return 3;
    }
    let survived = (0..ROUNDS).all(|round| {
        let touch = address + u64::from(round) * 4096;
        hostile::vector_state_survives(pattern.rotate_left(round), touch, 2_000_000)
    });
    if survived { 0 } else { 4 }
}

/// Its CapSet has `argument` and a `timer` that can only be read.
fn held_exactly(capabilities: &CapSet) -> u32 {
    let Some(timer) = capabilities.entry("timer") else { return 1 };
    if capabilities.entries().count() != 2 || timer.methods != 1 << Timer::NOW {
        return 2;
    }
    let Ok(timer) = capabilities.get::<Timer>("timer") else { return 3 };
    match (timer.now(), timer.resolution(), capabilities.get::<Console>("timer")) {
        (Ok(_), Err(_), Err(_)) => 0,
        _ => 4,
    }
}

/// It has `argument` and nothing else, and no handle that it makes up works.
fn nothing_held(capabilities: &CapSet) -> u32 {
    if capabilities.entries().count() != 1 {
        return 1;
    }
    // One below 2^20 slots, generation 1 and 2: whatever the parent holds.
    let layout = hostile::layout();
    for handle in (0..256u64).flat_map(|index| [index | 1 << 20, index | 2 << 20]) {
        let own = capabilities.entry("argument").is_some_and(|entry| u64::from(entry.handle.0) == handle);
        if !own
            && probe(handle, layout.submission_entries) != capos_rt::abi::error::Transport::BadHandle.result()
        {
            return 2;
        }
    }
    0
}

/// Derives from a handle by hand; the completion's result.
fn probe(handle: u64, _entries: u32) -> i32 {
    use capos_rt::abi::ring::offset;
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    let head = hostile::header(offset::COMPLETION_TAIL);
    hostile::set_header(offset::COMPLETION_HEAD, head);
    hostile::write_submission(tail, &[5 | handle << 32, 0, 1, 0, 0, 0, 0, 0]);
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    hostile::enter(1, u64::MAX, 0);
    hostile::read_completion(head)[1] as u32 as i32
}

/// Uses most of the stack, which must be there.
fn touch(depth: u32) -> u32 {
    let block = core::hint::black_box([1u8; 4096]);
    if depth == 0 { 0 } else { u32::from(block[7]) + touch(depth - 1) }
}

/// Ends with a random code.
fn random(capabilities: &CapSet) -> u32 {
    let mut bytes = [0; 4];
    let source: Result<Cap<EntropySource>, _> = capabilities.get("random");
    match source.map(|source| source.read(4, &mut bytes)) {
        Ok(Ok(4)) => u32::from_le_bytes(bytes),
        _ => 0,
    }
}

/// Asks its heap for more than its limit; the runtime ends it.
fn allocate(capabilities: &CapSet) -> u32 {
    extern crate alloc;
    let _ = capabilities;
    let mut blocks = alloc::vec::Vec::new();
    loop {
        blocks.push(alloc::vec![1u8; 64 * 1024]);
        core::hint::black_box(&blocks);
    }
}

/// Commits and touches half of its limit, then ends without giving anything back.
fn touch_and_keep(capabilities: &CapSet) -> u32 {
    let Ok(memory) = capabilities.get::<VirtualMemory>("memory") else { return 1 };
    let Ok(usage) = memory.usage() else { return 2 };
    let length = (usage.limit - usage.committed) / 2 & !0xfff;
    let Ok(address) = memory.reserve(length) else { return 3 };
    if memory.commit(address, length).is_err() {
        return 4;
    }
    for page in 0..length / 4096 {
        hostile::store(address + page * 4096);
    }
    let objects = [memory.create_object(10_000), memory.create_object(20_000)];
    let kept = objects.iter().filter(|object| object.is_ok()).count();
    core::mem::forget(objects);
    if kept == 2 { 0 } else { 5 }
}

/// System calls with unusual flags set must work, and must not reach ring 0.
fn flags() -> u32 {
    const DIRECTION: u64 = 1 << 10;
    const NESTED_TASK: u64 = 1 << 14;
    const ALIGNMENT: u64 = 1 << 18;
    const IDENTIFICATION: u64 = 1 << 21;
    for flags in [DIRECTION, NESTED_TASK, ALIGNMENT, IDENTIFICATION, DIRECTION | NESTED_TASK | ALIGNMENT] {
        if hostile::enter_with_flags(flags).0 < 0 {
            return 1;
        }
    }
    0
}
