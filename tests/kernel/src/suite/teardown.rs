//! Teardown: what a process had comes back, all of it, however it ended.
//!
//! Called by `main`, last. The machine's free frames are compared by the case, from the kernel's record; here the suite's
//! own account is.
//!
//! Invariant: the suite's usage after many processes is what it was after the first.

use alloc::vec::Vec;

use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::process_handle::ProcessHandle;

use crate::child::{self, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "teardown",
        &[
            ("a hundred processes that end", hundred),
            ("processes that keep what they have", keepers),
            ("processes that are killed at once", killed),
            ("processes that never start", never_started),
            ("processes that hold themselves and never start", never_started_by_itself),
            ("many at a time", many),
            ("what outlives one is its creator's", outlived),
        ],
    );
}

const PAGE: u64 = 4096;

/// Runs `round` a few times; the suite's usage must be the same after the second and after the last.
fn steady(context: &Context, rounds: u32, round: fn(&Context) -> Outcome) -> Outcome {
    round(context)?;
    round(context)?;
    let before = usage(context)?;
    for _ in 0..rounds {
        round(context)?;
    }
    equal("usage", usage(context)?, before)
}

fn usage(context: &Context) -> Result<u64, alloc::string::String> {
    // Releases are handed over with the next call: the first call brings them, the second counts.
    done("usage", context.memory.usage())?;
    Ok(done("usage", context.memory.usage())?.committed)
}

fn hundred(context: &Context) -> Outcome {
    steady(context, 100, |context| equal("end", end(&child::run(context, "exit 0")?), ("exited", 0)))
}

fn keepers(context: &Context) -> Outcome {
    steady(context, 10, |context| {
        let child = child::create(context, "touch and keep")?;
        child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
        done("start", child.process.start())?;
        equal("end", end(&child::wait(&child)?), ("exited", 0))
    })
}

fn killed(context: &Context) -> Outcome {
    steady(context, 20, |context| {
        let child = child::start(context, "spin")?;
        done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
        equal("end", end(&child::wait(&child)?), ("killed", 0))
    })
}

fn never_started(context: &Context) -> Outcome {
    steady(context, 20, |context| child::create(context, "exit 0").map(|_| ()))
}

/// What a process holds of itself does not keep it: it cannot use it.
fn never_started_by_itself(context: &Context) -> Outcome {
    steady(context, 20, |context| {
        let child = child::create(context, "exit 0")?;
        child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
        child::grant(&child, "self", &child.process, 1 << ProcessHandle::KILL)
    })
}

/// More objects than one step of an end hands on. Half of them go while it is in progress, or when it is over.
fn outlived(context: &Context) -> Outcome {
    steady(context, 5, |context| {
        let before = usage(context)?;
        let child = child::create(context, "exit 0")?;
        let mut objects = Vec::new();
        for _ in 0..200 {
            let object = done("create", child.memory.create_object(1))?;
            done("write", object.write(0, &[7]))?;
            objects.push(object);
        }
        let wait = done("begin", child.process.begin_wait())?;
        done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
        objects.truncate(100);
        equal("end", end(&done("wait", wait.wait())?), ("killed", 0))?;
        let mut byte = [0];
        for object in &objects {
            equal("bytes", done("read", object.read(0, 1, &mut byte))?, 1)?;
            equal("byte", byte[0], 7)?;
        }
        check(usage(context)? > before + 100 * PAGE, "they are not charged to the creator")
    })
}

fn many(context: &Context) -> Outcome {
    steady(context, 3, |context| {
        let mut children = alloc::vec::Vec::new();
        for _ in 0..12 {
            children.push(child::start(context, "exit 42")?);
        }
        for child in &children {
            equal("end", end(&child::wait(child)?), ("exited", 42))?;
        }
        check(children.len() == 12, "not all")
    })
}
