//! Cancel: an operation in progress ends at once, exactly once.
//!
//! Called by `main`.
//!
//! Invariant: after each test nothing is in flight.

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::ring::{Opcode, Submission};
use capos_rt::{Deadline, wait_any};

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::rings::submit;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "cancel",
        &[
            ("a sleep that is dropped", dropped_sleep),
            ("a sleep past its deadline", sleep_past_deadline),
            ("a wait for a process", wait_for_process),
            ("many at once", many),
            ("what is not there", nothing),
            ("a completed operation", completed),
        ],
    );
}

fn dropped_sleep(context: &Context) -> Outcome {
    let sleep = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    capos_rt::flush();
    drop(sleep);
    done("now", context.timer.now()).map(|_| ())
}

fn sleep_past_deadline(context: &Context) -> Outcome {
    let sleep = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    let deadline = done("now", context.timer.now())? + 1_000_000;
    refused("sleep", sleep.wait_until(Deadline::at(&context.timer, deadline)), Transport::Cancelled)
}

fn wait_for_process(context: &Context) -> Outcome {
    let child = child::start(context, "wait for ever")?;
    let wait = done("begin", child.process.begin_wait())?;
    let deadline = done("now", context.timer.now())? + 1_000_000;
    equal("woken", done("wait", wait_any(&[wait.call()], Deadline::at(&context.timer, deadline)))?, None)?;
    drop(wait);
    let killed = capos_rt::abi::outcome::OutcomeKind::Killed;
    done("kill", child.process.kill(killed as u16))?;
    equal("end", child::end(&child::wait(&child)?), ("killed", 0))
}

fn many(context: &Context) -> Outcome {
    let mut sleeps = alloc::vec::Vec::new();
    for index in 0..12 {
        sleeps.push(done("begin", context.timer.begin_sleep(u64::MAX - 1 - index))?);
    }
    capos_rt::flush();
    check(sleeps.iter().all(|sleep| !sleep.call().is_complete()), "a sleep ended by itself")?;
    drop(sleeps);
    done("now", context.timer.now()).map(|_| ())
}

fn nothing(_: &Context) -> Outcome {
    let cancel = Submission { operand: 0x1234_5678, ..Submission::new(Opcode::Cancel, 8) };
    equal("result", submit(&cancel.encode()).result, Transport::NotFound.result())
}

fn completed(context: &Context) -> Outcome {
    let sleep = done("begin", context.timer.begin_sleep(0))?;
    done("wait", wait_any(&[sleep.call()], Deadline::NEVER))?;
    let ended: Result<(), CallError> = sleep.wait();
    done("sleep", ended)
}
