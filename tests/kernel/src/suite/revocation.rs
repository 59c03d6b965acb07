//! Revocation: what came from a capability ends, wherever it is, and the capability goes on.
//!
//! Called by `main`. Children that are about to lose what they hold are ways of `crash`.
//!
//! Invariant: what a test derives from is its own, so that nothing of the suite's dies with it.

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::handle::Handle;
use capos_rt::abi::ring::{Completion, Opcode, Submission, offset};
use capos_rt::schema::boot_package::BootPackage;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::timer::Timer;
use capos_rt::{Cap, Capability, hostile};

use crate::child::{self, Child, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::rings::{batch, submit};

const NOW: u64 = 1 << Timer::NOW;
const REVOKED: CallError = CallError::Transport(Transport::Revoked);

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "revocation",
        &[
            ("descendants end, and the capability does not", descendants),
            ("what is not below goes on", others),
            ("what a released one left is found", released_between),
            ("a dead one can be released, and nothing else", dead),
            ("nothing to revoke", nothing),
            ("what is no capability", no_capability),
            ("another process loses what it was given", other_process),
            ("what was opened through it", opened_through),
            ("a sleep", sleep),
            ("a wait for a process", wait),
            ("a deadline that passes no more", deadline),
            ("a deadline that was waited for", deadline_in_progress),
            ("ten thousand", ten_thousand),
            ("others derive meanwhile", derived_meanwhile),
            ("its root derives again when it is done", root_meanwhile),
            ("it is not cancelled", not_cancelled),
            ("two at once, one below the other", nested),
            ("the process that began it ends", caller_ends),
            ("masks only shrink, through a grant too", masks),
        ],
    );
}

fn trunk(context: &Context) -> Result<Cap<Timer>, alloc::string::String> {
    done("derive", context.timer.derive(Timer::ALL_METHODS))
}

/// A chain of `length`, each derived from the one before.
fn chain(root: &Cap<Timer>, length: usize) -> Result<Vec<Cap<Timer>>, alloc::string::String> {
    let mut chain = Vec::new();
    for _ in 0..length {
        let next = done("derive", chain.last().unwrap_or(root).derive(Timer::ALL_METHODS))?;
        chain.push(next);
    }
    Ok(chain)
}

fn all_revoked(chain: &[Cap<Timer>]) -> Outcome {
    check(chain.iter().all(|one| one.now() == Err(REVOKED)), "a revoked capability works")
}

fn descendants(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let mut below = chain(&trunk, 5)?;
    below.push(done("derive", below[1].derive(NOW))?);
    below.push(done("derive", trunk.derive(0))?);
    done("revoke", trunk.revoke())?;
    all_revoked(&below)?;
    done("now", trunk.now())?;
    done("now", done("derive", trunk.derive(NOW))?.now()).map(|_| ())
}

fn others(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let branches = [done("derive", trunk.derive(NOW))?, done("derive", trunk.derive(NOW))?];
    let leaf = done("derive", branches[0].derive(NOW))?;
    done("revoke", branches[0].revoke())?;
    refused("leaf", leaf.now(), Transport::Revoked)?;
    for one in [&trunk, &branches[0], &branches[1], &context.timer] {
        done("now", one.now())?;
    }
    Ok(())
}

fn released_between(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let mut below = chain(&trunk, 6)?;
    let last = below.remove(5);
    drop(below);
    done("now", last.now())?;
    done("revoke", trunk.revoke())?;
    refused("last", last.now(), Transport::Revoked)
}

fn dead(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let one = done("derive", trunk.derive(Timer::ALL_METHODS))?;
    done("revoke", trunk.revoke())?;
    refused("derive", one.derive(0), Transport::Revoked)?;
    refused("revoke", one.revoke(), Transport::Revoked)?;
    refused("resolution", one.resolution(), Transport::Revoked)?;
    let child = child::create(context, "exit 0")?;
    refused("grant", child.process.grant("timer", &one, NOW), Transport::Revoked)?;
    let handle = one.handle();
    core::mem::forget(one);
    let release = Submission { handle, ..Submission::new(Opcode::Release, 3) };
    equal("release", submit(&release.encode()).result, 0)?;
    equal("again", submit(&release.encode()).result, Transport::BadHandle.result())
}

fn nothing(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    done("revoke", trunk.revoke())?;
    done("revoke", trunk.revoke())?;
    done("now", trunk.now()).map(|_| ())
}

fn no_capability(context: &Context) -> Outcome {
    for handle in [0, u32::MAX, context.timer.handle().0 ^ 1 << 31] {
        let revoke = Submission { handle: Handle(handle), ..Submission::new(Opcode::Revoke, 4) };
        equal("revoke", submit(&revoke.encode()).result, Transport::BadHandle.result())?;
    }
    Ok(())
}

/// A child with a capability of its own under the name `timer`, and with a heap.
fn child_with(context: &Context, way: &str, timer: &Cap<Timer>) -> Result<Child, alloc::string::String> {
    let child = child::create(context, way)?;
    child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
    child::grant(&child, "timer", timer, NOW)?;
    done("start", child.process.start())?;
    Ok(child)
}

/// Lets others run for a while.
fn pause(context: &Context) -> Outcome {
    let now = done("now", context.timer.now())?;
    done("sleep", context.timer.sleep(now + 2_000_000))
}

fn other_process(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let child = child_with(context, "call until revoked", &trunk)?;
    pause(context)?;
    done("revoke", trunk.revoke())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))?;
    done("now", trunk.now()).map(|_| ())
}

/// What a call gives hangs under the capability through which it came, as a File does under its Namespace.
fn opened_through(context: &Context) -> Outcome {
    let trunk = done("derive", context.boot.derive(BootPackage::ALL_METHODS))?;
    let narrow = done("derive", trunk.derive(1 << BootPackage::OPEN))?;
    let opened = done("open", narrow.open(0))?;
    let kept = done("open", trunk.open(0))?;
    done("revoke", narrow.revoke())?;
    refused("info", opened.info(), Transport::Revoked)?;
    done("info", kept.info())?;
    done("open", narrow.open(0))?;
    done("revoke", trunk.revoke())?;
    refused("info", kept.info(), Transport::Revoked)?;
    refused("open", narrow.open(0), Transport::Revoked)
}

fn sleep(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = done("derive", trunk.derive(Timer::ALL_METHODS))?;
    let lost = done("begin", below.begin_sleep(u64::MAX - 1))?;
    let kept = done("begin", trunk.begin_sleep(u64::MAX - 1))?;
    // The handle goes, the operation stays, and is found all the same.
    drop(below);
    done("revoke", trunk.revoke())?;
    refused("sleep", lost.wait(), Transport::Revoked)?;
    check(!kept.call().is_complete(), "a sleep through the capability itself ended")
}

fn wait(context: &Context) -> Outcome {
    let child = child::start(context, "wait for ever")?;
    let below = done("derive", child.process.derive(1 << ProcessHandle::WAIT))?;
    let lost = done("begin", below.begin_wait())?;
    capos_rt::flush();
    done("revoke", child.process.revoke())?;
    equal("wait", lost.wait().map(drop), Err(REVOKED))?;
    let killed = capos_rt::abi::outcome::OutcomeKind::Killed;
    done("kill", child.process.kill(killed as u16))?;
    equal("end", end(&child::wait(&child)?), ("killed", 0))
}

/// Submits by hand and waits for more completions than there will be, up to a point in time that is far away.
fn enter_with(words: &[[u64; 8]], timer: Handle) -> i64 {
    capos_rt::flush();
    hostile::resynchronize();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    for (index, words) in words.iter().enumerate() {
        hostile::write_submission(tail.wrapping_add(index as u32), words);
    }
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(words.len() as u32));
    let answer = hostile::enter(words.len() as u64 + 1, u64::MAX - 1, timer.0.into());
    hostile::resynchronize();
    answer
}

fn revoke_words(root: &Cap<Timer>) -> [u64; 8] {
    Submission { handle: root.handle(), ..Submission::new(Opcode::Revoke, 9) }.encode()
}

fn deadline(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = done("derive", trunk.derive(0))?;
    let answer = enter_with(&[revoke_words(&trunk)], below.handle());
    equal("enter", answer, i64::from(Transport::NoTimer.result()))?;
    equal("again", enter_with(&[], below.handle()), i64::from(Transport::NoTimer.result()))
}

/// So much is to be revoked that the thread waits when its Timer dies: the one that was derived first is reached last.
fn deadline_in_progress(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = done("derive", trunk.derive(0))?;
    let many: Vec<_> = (0..100).filter_map(|_| trunk.derive(0).ok()).collect();
    equal("many", many.len(), 100)?;
    let answer = enter_with(&[revoke_words(&trunk)], below.handle());
    equal("enter", answer, i64::from(Transport::NoTimer.result()))
}

fn ten_thousand(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let mut below = chain(&trunk, 5_000)?;
    for _ in 0..5_000 {
        below.push(done("derive", trunk.derive(NOW))?);
    }
    done("revoke", trunk.revoke())?;
    all_revoked(&below)?;
    drop(below);
    let again = chain(&trunk, 2)?;
    done("now", again[1].now()).map(|_| ())
}

fn derived_meanwhile(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(child_with(context, "derive until revoked", &trunk)?);
    }
    let below = chain(&trunk, 2_000)?;
    pause(context)?;
    done("revoke", trunk.revoke())?;
    all_revoked(&below)?;
    for child in &children {
        equal("end", end(&child::wait(child)?), ("exited", 0))?;
    }
    Ok(())
}

fn root_meanwhile(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = chain(&trunk, 100)?;
    let derive = Submission { handle: trunk.handle(), ..Submission::new(Opcode::Derive, 10) };
    let found = batch(&[revoke_words(&trunk), derive.encode()], 2);
    equal("derive", found.first().copied(), Some(Completion::new(10, Transport::Revoking.result())))?;
    equal("revoke", found.get(1).copied(), Some(Completion::new(9, 0)))?;
    all_revoked(&below)?;
    done("derive", trunk.derive(NOW)).map(|_| ())
}

fn not_cancelled(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = chain(&trunk, 100)?;
    let cancel = Submission { operand: 9, ..Submission::new(Opcode::Cancel, 10) };
    let found = batch(&[revoke_words(&trunk), cancel.encode()], 2);
    equal("cancel", found.first().copied(), Some(Completion::new(10, Transport::NotFound.result())))?;
    equal("revoke", found.get(1).copied(), Some(Completion::new(9, 0)))?;
    all_revoked(&below)
}

fn nested(context: &Context) -> Outcome {
    let trunk = trunk(context)?;
    let below = chain(&trunk, 200)?;
    for (first, second) in [(&below[100], &below[50]), (&trunk, &below[20])] {
        let upper = done("begin", second.begin_revoke())?;
        let lower = done("begin", first.begin_revoke())?;
        done("lower", lower.wait())?;
        done("upper", upper.wait())?;
        all_revoked(&below[101..])?;
    }
    all_revoked(&below)
}

fn caller_ends(context: &Context) -> Outcome {
    let before = done("usage", context.memory.usage())?.committed;
    for _ in 0..3 {
        let trunk = trunk(context)?;
        let child = child_with(context, "revoke and exit", &trunk)?;
        equal("end", end(&child::wait(&child)?), ("exited", 0))?;
        done("now", trunk.now())?;
    }
    done("now", context.timer.now())?;
    let after = done("usage", context.memory.usage())?.committed;
    check(after <= before, "something stayed charged")
}

fn masks(context: &Context) -> Outcome {
    let two = done("derive", context.timer.derive(NOW | 1 << Timer::SLEEP))?;
    let child = child::create(context, "masks")?;
    let more = child.process.grant("timer", &two, Timer::ALL_METHODS);
    refused("grant", more, Transport::MaskNotWithin)?;
    child::grant(&child, "timer", &two, NOW)?;
    done("start", child.process.start())?;
    equal("end", end(&child::wait(&child)?), ("exited", 0))
}
