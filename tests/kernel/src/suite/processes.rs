//! ProcessHandle: grants, start, wait, kill, and the typed end.
//!
//! Called by `main`.
//!
//! Invariant: every child of a test has ended when the test has.

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::notification::Notification;
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleBindParams};
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{Outgoing, Room};
use capos_rt::{Deadline, flush, wait_any};

use crate::child::{self, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "process",
        &[
            ("exit codes are kept whole", exit_codes),
            ("only honest ends can be claimed", claims),
            ("a report is kept", report),
            ("an unreadable report is dropped", unreadable_report),
            ("it holds exactly what was granted", grants),
            ("it holds nothing by itself", nothing_inherited),
            ("grants are checked", bad_grants),
            ("no grant after the start", late_grant),
            ("no second start", second_start),
            ("wait can be asked again", wait_again),
            ("two waits end together", two_waits),
            ("kill with each kind", kills),
            ("kill with a kind that is not for it", bad_kill),
            ("kill before the start", kill_before_start),
            ("kill after the end changes nothing", kill_after_end),
            ("a handle that is dropped leaves its process alone", dropped_handle),
            ("the memory of one that has ended is disconnected", disconnected),
            ("its end sets bits", sets_bits),
            ("its end sets the bits that were bound last", sets_last_bits),
            ("what is bound is checked", bad_bind),
            ("methods are checked", methods),
            ("a stack has its pages", stack),
        ],
    );
}

fn exit_codes(context: &Context) -> Outcome {
    for (way, code) in [("exit 0", 0), ("exit 42", 42), ("exit 4294967295", u32::MAX)] {
        let reply = child::run(context, way)?;
        equal("end", end(&reply), ("exited", code))?;
        equal("report", reply.report.as_str(), "")?;
        let none = (
            reply.fault.vector,
            reply.fault.error_code,
            reply.fault.address,
            reply.fault.instruction_pointer,
        );
        equal("fault", none, (0, 0, 0, 0))?;
    }
    Ok(())
}

fn claims(context: &Context) -> Outcome {
    equal("killed", end(&child::run(context, "claim killed")?), ("internal", 5))?;
    equal("fault", end(&child::run(context, "claim fault")?), ("internal", 6))?;
    equal("nonsense", end(&child::run(context, "claim nonsense")?), ("internal", u32::MAX))
}

fn report(context: &Context) -> Outcome {
    let reply = child::run(context, "claim trap")?;
    equal("end", end(&reply), ("trap", 3))?;
    equal("report", reply.report.as_str(), "unreachable executed")
}

fn unreadable_report(context: &Context) -> Outcome {
    let reply = child::run(context, "unreadable report")?;
    equal("end", end(&reply), ("exited", 9))?;
    equal("report", reply.report.as_str(), "")
}

fn grants(context: &Context) -> Outcome {
    let child = child::create(context, "held exactly")?;
    child::grant(&child, "timer", &context.timer, 1 << Timer::NOW)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}

fn nothing_inherited(context: &Context) -> Outcome {
    equal("end", end(&child::run(context, "nothing held")?), ("exited", 0))
}

fn bad_grants(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let grant = |name: &str, methods| child.process.grant(name, &context.timer, methods);
    let masked = done("derive", context.timer.derive(1 << Timer::NOW))?;
    refused("mask", child.process.grant("a", &masked, 1 << Timer::SLEEP), Transport::MaskNotWithin)?;
    refused("mask", grant("a", 1 << 40), Transport::MaskNotWithin)?;
    exception("name", grant("", 1), Exception::InvalidArgument)?;
    exception("name", grant(&"n".repeat(41), 1), Exception::InvalidArgument)?;
    exception("duplicate", grant("argument", 1), Exception::InvalidArgument)?;
    let mut granted = 0;
    let refusal = loop {
        match grant(&alloc::format!("entry {granted}"), 1) {
            Ok(()) => granted += 1,
            Err(refusal) => break refusal,
        }
    };
    equal("full", refusal, Exception::InvalidArgument.into())?;
    equal("entries", granted + 1, capos_rt::abi::capset::ENTRIES_MAX)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}

fn late_grant(context: &Context) -> Outcome {
    let child = child::start(context, "exit 0")?;
    exception("grant", child.process.grant("late", &context.timer, 1), Exception::Failed)?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    exception("grant", child.process.grant("later", &context.timer, 1), Exception::Failed)
}

fn second_start(context: &Context) -> Outcome {
    let child = child::start(context, "wait for ever")?;
    exception("start", child.process.start(), Exception::Failed)?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("killed", 0))?;
    exception("start", child.process.start(), Exception::Failed)
}

fn wait_again(context: &Context) -> Outcome {
    let child = child::start(context, "exit 42")?;
    for _ in 0..3 {
        equal("end", end(&child::wait(&child)?), ("exited", 42))?;
    }
    Ok(())
}

fn two_waits(context: &Context) -> Outcome {
    let child = child::start(context, "wait for ever")?;
    let one = done("begin", child.process.begin_wait())?;
    let other = done("begin", child.process.begin_wait())?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("one", end(&done("wait", one.wait())?), ("killed", 0))?;
    equal("other", end(&done("wait", other.wait())?), ("killed", 0))
}

fn kills(context: &Context) -> Outcome {
    for way in ["wait for ever", "spin"] {
        for kind in [OutcomeKind::Killed, OutcomeKind::WallClock, OutcomeKind::Revoked, OutcomeKind::Output] {
            let child = child::start(context, way)?;
            let wait = done("begin", child.process.begin_wait())?;
            let soon = done("now", context.timer.now())? + 500_000;
            equal(
                "ended by itself",
                done("wait", wait_any(&[wait.call()], Deadline::at(&context.timer, soon)))?,
                None,
            )?;
            done("kill", child.process.kill(kind as u16))?;
            equal("end", end(&done("wait", wait.wait())?), (kind.word(), 0))?;
        }
    }
    Ok(())
}

fn bad_kill(context: &Context) -> Outcome {
    let child = child::start(context, "wait for ever")?;
    for kind in [OutcomeKind::Exited, OutcomeKind::Trap, OutcomeKind::Fault, OutcomeKind::Internal] {
        exception("kill", child.process.kill(kind as u16), Exception::InvalidArgument)?;
    }
    exception("kill", child.process.kill(u16::MAX), Exception::InvalidArgument)?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("killed", 0))
}

fn kill_before_start(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("killed", 0))?;
    exception("start", child.process.start(), Exception::Failed)
}

fn kill_after_end(context: &Context) -> Outcome {
    let child = child::start(context, "exit 42")?;
    equal("end", end(&child::wait(&child)?), ("exited", 42))?;
    done("kill", child.process.kill(OutcomeKind::Killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("exited", 42))
}

/// A process goes on without its handle; what it holds of its creator's shows it.
fn dropped_handle(context: &Context) -> Outcome {
    let child = child::start(context, "exit 0")?;
    let child::Child { process, memory } = child;
    drop(process);
    let deadline = done("now", context.timer.now())? + 20_000_000;
    done("sleep", context.timer.sleep(deadline))?;
    drop(memory);
    equal("another one", end(&child::run(context, "exit 42")?), ("exited", 42))
}

fn disconnected(context: &Context) -> Outcome {
    let child = child::start(context, "exit 0")?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    refused("reserve", child.memory.reserve(4096), Transport::Disconnected)?;
    refused("create", child.memory.create_object(4096), Transport::Disconnected)
}

fn sets_bits(context: &Context) -> Outcome {
    let child = child::create(context, "exit 42")?;
    let ends = done("create", context.spawner.create_notification())?;
    done("bind", child.process.bind(&ends, 0b101))?;
    equal("before the start", done("poll", ends.poll(u64::MAX))?, 0)?;
    done("start", child.process.start())?;
    equal("bits", done("wait", ends.wait(u64::MAX))?, 0b101)?;
    let wait = done("begin", child.process.begin_wait())?;
    flush();
    check(wait.call().is_complete(), "it had not ended")?;
    equal("end", end(&done("wait", wait.wait())?), ("exited", 42))?;
    done("bind", child.process.bind(&ends, 0b10))?;
    equal("after the end", done("poll", ends.poll(u64::MAX))?, 0b10)
}

fn sets_last_bits(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let used = done("usage", context.memory.usage())?.committed;
    let first = done("create", context.spawner.create_notification())?;
    let last = done("create", context.spawner.create_notification())?;
    done("bind", child.process.bind(&first, 1))?;
    done("bind", child.process.bind(&last, 1))?;
    done("bind", child.process.bind(&last, 2))?;
    done("start", child.process.start())?;
    equal("bits", done("wait", last.wait(u64::MAX))?, 2)?;
    equal("of the first", done("poll", first.poll(u64::MAX))?, 0)?;
    drop((first, last));
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    check(done("usage", context.memory.usage())?.committed <= used, "the notifications are still charged")
}

fn bad_bind(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let ends = done("create", context.spawner.create_notification())?;
    exception("no bits", child.process.bind(&ends, 0), Exception::InvalidArgument)?;
    let waits = done("derive", ends.derive(1 << Notification::WAIT | 1 << Notification::POLL))?;
    refused("without signal", child.process.bind(&waits, 1), Transport::MethodDenied)?;
    let mut message = [0; ProcessHandleBindParams::FIXED_BYTES];
    _ = ProcessHandleBindParams { notification: Some(0), bits: 1 }.encode(&mut message);
    let (clock, room) = ([Outgoing::Copy(&context.timer)], Room { bytes: 0, capabilities: 0 });
    let call = done("begin", child.process.begin_untyped(ProcessHandle::BIND, &message, &clock, room))?;
    refused("a timer", call.wait().map(drop), Transport::WrongInterface)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    equal("bits", done("poll", ends.poll(u64::MAX))?, 0)
}

fn methods(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let waiter = done("derive", child.process.derive(1 << ProcessHandle::WAIT))?;
    refused("kill", waiter.kill(OutcomeKind::Killed as u16), Transport::MethodDenied)?;
    refused("start", waiter.start(), Transport::MethodDenied)?;
    let ends = done("create", context.spawner.create_notification())?;
    refused("bind", waiter.bind(&ends, 1), Transport::MethodDenied)?;
    refused("grant", waiter.grant("x", &context.timer, 1), Transport::MethodDenied)?;
    done("start", child.process.start())?;
    check(end(&done("wait", waiter.wait())?) == ("exited", 0), "another end")
}

fn stack(context: &Context) -> Outcome {
    equal("end", end(&child::run(context, "touch stack")?), ("exited", 0))
}
