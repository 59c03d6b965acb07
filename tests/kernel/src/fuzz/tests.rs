//! Tests of the generator: what it makes is what its expectations say, and all that can be reached is reached.

use super::*;
use crate::probe::Probe;
use capos_abi::error::Transport;
use capos_abi::ring::{Layout, Opcode, Submission};
use capos_schema::interface::Interface;
use std::collections::BTreeSet;
use std::vec::Vec;

fn known<T: Interface>(handle: u32) -> Known {
    let description = T::DESCRIPTION;
    let (interface, methods) = (description.id, description.all_methods);
    Known { handle: handle | 1 << 20, interface, methods, source: 0 }
}

fn generator(seed: u64) -> Generator {
    let roots = [
        known::<capos_schema::timer::Timer>(1),
        known::<capos_schema::entropy_source::EntropySource>(2),
        known::<capos_schema::virtual_memory::VirtualMemory>(3),
        known::<capos_schema::memory_object::MemoryObject>(4),
        known::<capos_schema::endpoint::Endpoint>(5),
        known::<Probe>(6),
        known::<Probe>(7),
        known::<capos_schema::notification::Notification>(8),
        known::<Probe>(9),
    ];
    let world = World::new(roots, 0x0020_0005);
    let places = Places { word: 0x30_0000, value: 7, read_only: 0x20_0000 };
    Generator::new(seed, world, places, Layout::DEFAULT)
}

/// Steps of `batches` batches, with every capability that is due given at the end of its batch.
fn steps(seed: u64, batches: usize) -> Vec<Step> {
    let mut generator = generator(seed);
    let mut made = Vec::new();
    for batch in 0..batches {
        let steps: Vec<Step> = (0..generator.begin()).map(|_| generator.step()).collect();
        for (index, step) in steps.iter().enumerate() {
            let handle = (100 + index + batch * SLOTS) as u32 | 1 << 20;
            let known = match step.effect {
                Effect::None => continue,
                Effect::Derived { interface, methods, source } => {
                    Known { handle, interface, methods, source }
                }
                Effect::Mapped => {
                    assert!(generator.world.remember_mapping(0x4000_0000));
                    continue;
                }
                Effect::Moved { before } => {
                    assert!(generator.world.come_back(before.handle, Known { handle, ..before }));
                    continue;
                }
                Effect::Created => Known { handle, ..known::<capos_schema::memory_object::MemoryObject>(0) },
            };
            assert!(generator.world.remember(known));
        }
        made.extend(steps);
    }
    made
}

#[test]
fn a_seed_repeats() {
    let words = |seed| steps(seed, 200).iter().map(|step| step.words).collect::<Vec<_>>();
    assert_eq!(words(1), words(1));
    assert_ne!(words(1), words(2));
}

#[test]
fn what_the_validator_refuses_is_expected() {
    for step in steps(3, 20_000) {
        match Submission::decode(&step.words, &Layout::DEFAULT) {
            Err(reason) => assert_eq!(step.expected, Expected::Refused(reason), "{}", step.kind),
            Ok(_) => {
                assert_ne!(step.expected, Expected::Refused(Transport::ReservedNotZero), "{}", step.kind)
            }
        }
    }
}

#[test]
fn everything_that_can_be_reached_is_expected() {
    let steps = steps(4, 20_000);
    let expected: BTreeSet<i32> = steps
        .iter()
        .filter_map(|step| match step.expected {
            Expected::Refused(reason) => Some(reason.result()),
            _ => None,
        })
        .collect();
    for row in Transport::ALL {
        let by_a_step = *row != Transport::NoTimer && UNREACHABLE.iter().all(|(one, _)| one != row);
        assert_eq!(expected.contains(&row.result()), by_a_step, "{row}");
    }
    let opcodes: BTreeSet<u8> = steps.iter().map(|step| step.words[0] as u8).collect();
    assert!(Opcode::ALL.iter().all(|opcode| opcodes.contains(&(*opcode as u8))));
    let accepted = steps.iter().filter(|step| step.expected == Expected::Success).count();
    assert!(accepted * 100 > steps.len() * 35, "{accepted} of {}", steps.len());
}

#[test]
fn what_is_moved_is_not_named_by_its_old_handle() {
    let steps = steps(6, 20_000);
    let moved = steps.iter().enumerate().filter_map(|(index, step)| match step.effect {
        Effect::Moved { before } => Some((index, before.handle)),
        _ => None,
    });
    let moved: Vec<_> = moved.collect();
    assert!(moved.len() > 500, "{}", moved.len());
    for (index, handle) in moved {
        let mut later = steps[index + 1..].iter().take(2_000);
        assert!(
            later.all(|step| step.expected != Expected::Success || step.words[0] >> 32 != u64::from(handle))
        );
    }
}

#[test]
fn what_waits_is_cancelled_in_its_batch() {
    let mut generator = generator(5);
    for _ in 0..5_000 {
        let steps: Vec<Step> = (0..generator.begin()).map(|_| generator.step()).collect();
        for (index, step) in steps.iter().enumerate() {
            if step.expected == Expected::Refused(Transport::Cancelled) {
                let cancels = |later: &Step| {
                    later.words[0] as u8 == Opcode::Cancel as u8 && later.words[6] == step.words[2]
                };
                assert_eq!(steps[index + 1..].iter().filter(|later| cancels(later)).count(), 1);
            }
        }
    }
}
