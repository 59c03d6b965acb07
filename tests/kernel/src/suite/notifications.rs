//! Notifications: bits that are set, taken, and waited for.
//!
//! Called by `main`. Starts `crash` as the other side.
//!
//! Invariant: after each test nothing waits.

use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::notification::Notification;
use capos_rt::{Cap, Pending, flush};

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "notification",
        &[
            ("a wait takes its bits and leaves the others", takes_its_bits),
            ("a signal ends a wait", ends_a_wait),
            ("a signal for others does not", for_others),
            ("poll never waits", poll),
            ("who waits first gets the bit", in_order),
            ("one signal for several", several),
            ("a wait that was given up takes nothing", given_up),
            ("an empty mask", empty_mask),
            ("64 waits and no more", too_many),
            ("a capability that only signals", only_signals),
            ("a capability that only waits", only_waits),
            ("a revocation ends a wait", revoked),
            ("another process signals", from_another),
            ("a waiter that is killed takes nothing", killed),
            ("is charged to its creator", charged),
            ("a wait outlives the handle", outlives_handle),
        ],
    );
}

fn create(context: &Context) -> Result<Cap<Notification>, String> {
    done("create", context.spawner.create_notification())
}

const SIGNAL: u64 = 1 << Notification::SIGNAL;
const WAIT: u64 = 1 << Notification::WAIT | 1 << Notification::POLL;

fn takes_its_bits(context: &Context) -> Outcome {
    let notification = create(context)?;
    done("signal", notification.signal(0b1011))?;
    done("signal", notification.signal(1 << 63))?;
    equal("wait", done("wait", notification.wait(0b0110))?, 0b0010)?;
    equal("rest", done("poll", notification.poll(u64::MAX))?, 1 << 63 | 0b1001)?;
    equal("nothing", done("poll", notification.poll(u64::MAX))?, 0)
}

fn ends_a_wait(context: &Context) -> Outcome {
    let notification = create(context)?;
    let wait = done("begin", notification.begin_wait(0b110))?;
    flush();
    check(!wait.call().is_complete(), "it did not wait")?;
    done("signal", notification.signal(0b11))?;
    equal("bits", done("wait", wait.wait())?, 0b10)?;
    equal("rest", done("poll", notification.poll(u64::MAX))?, 1)
}

fn for_others(context: &Context) -> Outcome {
    let notification = create(context)?;
    let wait = done("begin", notification.begin_wait(0b100))?;
    done("signal", notification.signal(0b011))?;
    check(!wait.call().is_complete(), "it ended for bits that it did not wait for")?;
    done("signal", notification.signal(0b111))?;
    equal("bits", done("wait", wait.wait())?, 0b100)
}

fn poll(context: &Context) -> Outcome {
    let notification = create(context)?;
    equal("nothing", done("poll", notification.poll(u64::MAX))?, 0)?;
    done("signal", notification.signal(0))?;
    equal("still nothing", done("poll", notification.poll(u64::MAX))?, 0)?;
    done("signal", notification.signal(6))?;
    equal("an empty mask", done("poll", notification.poll(0))?, 0)?;
    equal("one bit", done("poll", notification.poll(3))?, 2)
}

fn in_order(context: &Context) -> Outcome {
    let notification = create(context)?;
    let waits = begin(&notification, &[0b01, 0b11, 0b01])?;
    done("signal", notification.signal(0b01))?;
    equal("after one", completions(&waits), [true, false, false].to_vec())?;
    done("signal", notification.signal(0b01))?;
    equal("after two", completions(&waits), [true, true, false].to_vec())?;
    done("signal", notification.signal(0b01))?;
    for wait in waits {
        equal("bits", done("wait", wait.wait())?, 0b01)?;
    }
    Ok(())
}

fn several(context: &Context) -> Outcome {
    let notification = create(context)?;
    let waits = begin(&notification, &[0b001, 0b111, 0b100, 0b110])?;
    done("signal", notification.signal(0b111))?;
    equal("completed", completions(&waits), [true, true, false, false].to_vec())?;
    done("signal", notification.signal(0b1100))?;
    let mut bits = Vec::new();
    equal("completed", completions(&waits), [true, true, true, false].to_vec())?;
    done("signal", notification.signal(0b0010))?;
    for wait in waits {
        bits.push(done("wait", wait.wait())?);
    }
    equal("bits", bits, [0b001, 0b110, 0b100, 0b010].to_vec())?;
    equal("rest", done("poll", notification.poll(u64::MAX))?, 0b1000)
}

fn begin(notification: &Cap<Notification>, masks: &[u64]) -> Result<Vec<Pending<u64>>, String> {
    let waits = masks.iter().map(|mask| done("begin", notification.begin_wait(*mask))).collect();
    flush();
    waits
}

fn completions(waits: &[Pending<u64>]) -> Vec<bool> {
    waits.iter().map(|wait| wait.call().is_complete()).collect()
}

fn given_up(context: &Context) -> Outcome {
    let notification = create(context)?;
    let waits = begin(&notification, &[1, 1])?;
    let mut waits = waits.into_iter();
    drop(waits.next());
    done("signal", notification.signal(1))?;
    let second = waits.next().ok_or("no second wait")?;
    equal("the second", done("wait", second.wait())?, 1)
}

fn empty_mask(context: &Context) -> Outcome {
    exception("wait", create(context)?.wait(0), Exception::InvalidArgument)
}

/// Waits of this process; two others have the rest, since no process has room for so many.
const MINE: usize = 16;

fn too_many(context: &Context) -> Outcome {
    let notification = create(context)?;
    let others = [waiting(context, &notification)?, waiting(context, &notification)?];
    let mut waits = begin(&notification, &[1 << 63; MINE])?;
    exception("one more", notification.wait(1 << 62), Exception::Overloaded)?;
    check(completions(&waits).iter().all(|is_complete| !is_complete), "a wait ended by itself")?;
    drop(waits.pop());
    let last = done("begin", notification.begin_wait(1 << 61))?;
    flush();
    check(!last.call().is_complete(), "no room for another behind one that was given up")?;
    for _ in 0..48 {
        done("signal", notification.signal(1))?;
    }
    for other in &others {
        equal("the other's end", child::end(&child::wait(other)?), ("exited", 0))?;
    }
    Ok(())
}

/// A process that waits 24 times for bit 0.
fn waiting(context: &Context, notification: &Cap<Notification>) -> Result<child::Child, String> {
    let other = child::create(context, "wait 24 times")?;
    child::grant(&other, "notification", notification, WAIT)?;
    let ready = create(context)?;
    child::grant(&other, "ready", &ready, SIGNAL)?;
    done("start", other.process.start())?;
    done("ready", ready.wait(1))?;
    Ok(other)
}

fn only_signals(context: &Context) -> Outcome {
    let notification = create(context)?;
    let signals = done("derive", notification.derive(SIGNAL))?;
    refused("wait", signals.wait(1), Transport::MethodDenied)?;
    refused("poll", signals.poll(1), Transport::MethodDenied)?;
    done("signal", signals.signal(1))?;
    equal("bits", done("poll", notification.poll(u64::MAX))?, 1)
}

fn only_waits(context: &Context) -> Outcome {
    let notification = create(context)?;
    let waits = done("derive", notification.derive(WAIT))?;
    refused("signal", waits.signal(1), Transport::MethodDenied)?;
    equal("nothing", done("poll", waits.poll(u64::MAX))?, 0)?;
    done("signal", notification.signal(4))?;
    equal("bits", done("wait", waits.wait(u64::MAX))?, 4)?;
    refused("derive", waits.derive(SIGNAL), Transport::MaskNotWithin)
}

fn revoked(context: &Context) -> Outcome {
    let notification = create(context)?;
    let below = done("derive", notification.derive(WAIT))?;
    let wait = done("begin", below.begin_wait(1))?;
    flush();
    done("revoke", notification.revoke())?;
    refused("the wait", wait.wait(), Transport::Revoked)?;
    refused("another", below.poll(1), Transport::Revoked)?;
    done("signal", notification.signal(1))?;
    equal("bits", done("poll", notification.poll(1))?, 1)
}

fn from_another(context: &Context) -> Outcome {
    let notification = create(context)?;
    let other = child::create(context, "signal bit 5")?;
    child::grant(&other, "notification", &notification, SIGNAL)?;
    done("start", other.process.start())?;
    equal("bits", done("wait", notification.wait(u64::MAX))?, 1 << 5)?;
    equal("end", child::end(&child::wait(&other)?), ("exited", 0))
}

fn killed(context: &Context) -> Outcome {
    let notification = create(context)?;
    let other = waiting(context, &notification)?;
    done("kill", other.process.kill(OutcomeKind::Killed as u16))?;
    child::wait(&other)?;
    done("signal", notification.signal(1))?;
    equal("bits", done("poll", notification.poll(1))?, 1)
}

fn charged(context: &Context) -> Outcome {
    let used = |when| done(when, context.memory.usage()).map(|usage| usage.committed);
    let before = used("before")?;
    let notification = create(context)?;
    let during = used("during")?;
    check(during > before, "nothing was charged")?;
    drop(notification);
    flush();
    equal("after", used("after")?, before)
}

fn outlives_handle(context: &Context) -> Outcome {
    let notification = create(context)?;
    let signals = done("derive", notification.derive(SIGNAL))?;
    let wait = done("begin", notification.begin_wait(1))?;
    flush();
    drop(notification);
    done("signal", signals.signal(1))?;
    equal("bits", done("wait", wait.wait())?, 1)
}
