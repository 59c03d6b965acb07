//! Preemption: a program that never asks for anything does not stop the others.
//!
//! Called by `main`.
//!
//! Invariant: no test depends on how fast the machine is, only on who gets the processor at all.

use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::entropy_source::EntropySource;

use crate::child::{self, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "scheduling",
        &[
            ("a busy loop does not stop a worker", busy_loop),
            ("busy loops share", busy_loops),
            ("vector registers survive preemption, page faults and system calls", vectors),
            ("two instances have different random numbers", random),
        ],
    );
}

fn busy_loop(context: &Context) -> Outcome {
    let spinner = child::start(context, "spin")?;
    for _ in 0..5 {
        let deadline = done("now", context.timer.now())? + 1_000_000;
        done("sleep", context.timer.sleep(deadline))?;
        equal("worker", end(&child::run(context, "exit 42")?), ("exited", 42))?;
    }
    done("kill", spinner.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&spinner)?), ("killed", 0))
}

fn busy_loops(context: &Context) -> Outcome {
    let mut spinners = alloc::vec::Vec::new();
    for _ in 0..4 {
        spinners.push(child::start(context, "spin")?);
    }
    equal("worker", end(&child::run(context, "exit 42")?), ("exited", 42))?;
    for spinner in &spinners {
        done("kill", spinner.process.kill(OutcomeKind::Killed as u16))?;
        equal("end", end(&child::wait(spinner)?), ("killed", 0))?;
    }
    Ok(())
}

fn vectors(context: &Context) -> Outcome {
    let start = |way| {
        let child = child::create(context, way)?;
        child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
        done("start", child.process.start())?;
        Ok::<_, alloc::string::String>(child)
    };
    let (one, other) = (start("vectors 1")?, start("vectors 2")?);
    equal("one", end(&child::wait(&one)?), ("exited", 0))?;
    equal("other", end(&child::wait(&other)?), ("exited", 0))
}

fn random(context: &Context) -> Outcome {
    let mut codes = [0; 4];
    for code in &mut codes {
        let child = child::create(context, "random")?;
        child::grant(&child, "random", &context.random, 1 << EntropySource::READ)?;
        done("start", child.process.start())?;
        let (kind, number) = end(&child::wait(&child)?);
        equal("end", kind, "exited")?;
        *code = number;
    }
    let distinct = (0..4).all(|index| codes[index] != 0 && !codes[..index].contains(&codes[index]));
    check(distinct, "two of them are equal, or one was refused")
}
