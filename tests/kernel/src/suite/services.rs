//! The plain objects: Console, Timer, EntropySource, BootPackage.
//!
//! Called by `main`.
//!
//! Invariant: no test depends on how fast the machine is.

use alloc::vec;

use capos_rt::abi::checksum::crc32c;
use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::ring::{FLAG_PARAMETERS_IN_AREA, Opcode, Submission};
use capos_rt::schema::console::{Console, ConsoleStream};
use capos_rt::schema::entropy_source::{EntropySource, EntropySourceReadParams};
use capos_rt::schema::timer::{Timer, TimerSleepParams};
use capos_rt::{Capability, Deadline, hostile, wait_any};

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::rings::batch;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "console",
        &[
            ("takes all bytes", console_takes_all),
            ("takes none", console_takes_none),
            ("a derived one without write is refused", console_denied),
            ("a stream mints no others and does not end the run", console_only_writes),
        ],
    );
    harness.subject(
        "timer",
        &[
            ("the clock never goes back", clock),
            ("the resolution is positive", resolution),
            ("a sleep ends after its deadline", sleep),
            ("a sleep into the past ends at once", sleep_past),
            ("sleeps end in the order of their deadlines", sleeps_in_order),
            ("a deadline without a timer is refused", deadline_without_timer),
            ("a deadline with the wrong capability is refused", deadline_with_wrong_capability),
            ("a deadline with a released timer is refused", deadline_with_released_timer),
            ("a deadline with a timer passes", deadline_passes),
            ("a masked timer permits a deadline and no sleep", masked_timer),
        ],
    );
    harness.subject(
        "entropy",
        &[
            ("two reads differ", entropy_differs),
            ("any length up to the largest", entropy_lengths),
            ("too much is refused", entropy_too_much),
            ("a long read lets time pass", entropy_long_read),
        ],
    );
    harness.subject(
        "boot package",
        &[
            ("the checksums are those of the contents", boot_checksums),
            ("the parts have distinct names", boot_names),
            ("a part past the end is refused", boot_past_end),
            ("a part is sealed", boot_sealed),
        ],
    );
}

fn console_takes_all(context: &Context) -> Outcome {
    equal("written", done("write", context.console.write(b"        a line of the suite\n"))?, 28)
}

fn console_takes_none(context: &Context) -> Outcome {
    equal("written", done("write", context.console.write(b""))?, 0)
}

fn console_denied(context: &Context) -> Outcome {
    let silent = done("derive", context.console.derive(0))?;
    refused("write", silent.write(b"x"), Transport::MethodDenied)
}

fn console_only_writes(context: &Context) -> Outcome {
    refused("open", context.console.open("other", ConsoleStream::Output), Transport::NoSuchMethod)?;
    refused("finish", context.console.finish(0, 0, "suite", ""), Transport::NoSuchMethod)?;
    refused("derive", context.console.derive(1 << Console::FINISH), Transport::MaskNotWithin)
}

fn clock(context: &Context) -> Outcome {
    let mut last = 0;
    for _ in 0..500 {
        let now = done("now", context.timer.now())?;
        check(now >= last, "the clock went back")?;
        last = now;
    }
    check(last > 0, "the clock stands at zero")
}

fn resolution(context: &Context) -> Outcome {
    check(done("resolution", context.timer.resolution())? >= 1, "zero")
}

fn sleep(context: &Context) -> Outcome {
    let deadline = done("now", context.timer.now())? + 3_000_000;
    done("sleep", context.timer.sleep(deadline))?;
    check(done("now", context.timer.now())? >= deadline, "it ended too early")
}

fn sleep_past(context: &Context) -> Outcome {
    done("sleep", context.timer.sleep(0))?;
    done("sleep", context.timer.sleep(1))
}

fn sleeps_in_order(context: &Context) -> Outcome {
    let now = done("now", context.timer.now())?;
    let late = done("begin", context.timer.begin_sleep(now + 9_000_000))?;
    let early = done("begin", context.timer.begin_sleep(now + 3_000_000))?;
    let middle = done("begin", context.timer.begin_sleep(now + 6_000_000))?;
    // On a host that stands still for milliseconds several have ended, and the first of the list is named.
    let first = done("wait", wait_any(&[late.call(), early.call(), middle.call()], Deadline::NEVER))?;
    if done("now", context.timer.now())? < now + 6_000_000 {
        equal("first", first, Some(1))?;
    }
    done("early", early.wait())?;
    let second = done("wait", wait_any(&[late.call(), middle.call()], Deadline::NEVER))?;
    if done("now", context.timer.now())? < now + 9_000_000 {
        equal("second", second, Some(1))?;
    }
    done("middle", middle.wait())?;
    done("late", late.wait())
}

fn deadline_without_timer(_: &Context) -> Outcome {
    for deadline in [1, 1 << 40, u64::MAX - 1] {
        let answer = hostile::enter(0, deadline, 0);
        equal("enter", answer, i64::from(Transport::NoTimer.result()))?;
    }
    Ok(())
}

fn deadline_with_wrong_capability(context: &Context) -> Outcome {
    use capos_rt::Capability;
    let answer = hostile::enter(0, 1 << 40, u64::from(context.console.handle().0));
    equal("enter", answer, i64::from(Transport::NoTimer.result()))?;
    let answer = hostile::enter(0, 1 << 40, u64::MAX);
    equal("enter", answer, i64::from(Transport::NoTimer.result()))
}

fn deadline_with_released_timer(context: &Context) -> Outcome {
    use capos_rt::Capability;
    let timer = done("derive", context.timer.derive(1 << Timer::NOW))?;
    let handle = u64::from(timer.handle().0);
    drop(timer);
    done("now", context.timer.now())?;
    let answer = hostile::enter(0, 1 << 40, handle);
    equal("enter", answer, i64::from(Transport::NoTimer.result()))
}

fn deadline_passes(context: &Context) -> Outcome {
    let far = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    let deadline = done("now", context.timer.now())? + 2_000_000;
    let woken = done("wait", wait_any(&[far.call()], Deadline::at(&context.timer, deadline)))?;
    equal("woken", woken, None)?;
    check(done("now", context.timer.now())? >= deadline, "it ended too early")
}

fn masked_timer(context: &Context) -> Outcome {
    let timer = done("derive", context.timer.derive(1 << Timer::NOW))?;
    refused("sleep", timer.sleep(0), Transport::MethodDenied)?;
    let far = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    let deadline = done("now", timer.now())? + 1_000_000;
    equal("woken", done("wait", wait_any(&[far.call()], Deadline::at(&timer, deadline)))?, None)
}

fn entropy_differs(context: &Context) -> Outcome {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    equal("bytes", done("read", context.random.read(32, &mut one))?, 32)?;
    equal("bytes", done("read", context.random.read(32, &mut other))?, 32)?;
    check(one != other && one != [0; 32], "the same bytes twice, or none")
}

/// A sleep that ends while 64 KiB are made is told before them, although both were asked for at once.
fn entropy_long_read(context: &Context) -> Outcome {
    const AREA: usize = 4096;
    const MESSAGE: usize = 16;
    let mut bytes = vec![0u64; 65_600 / 8];
    let mut messages = [0; 2 * MESSAGE];
    let (wait, make) = messages.split_at_mut(MESSAGE);
    let deadline = done("now", context.timer.now())? + 20_000;
    check(TimerSleepParams { deadline }.encode(wait) == Ok(MESSAGE), "no message")?;
    check(EntropySourceReadParams { length: 65_536 }.encode(make) == Ok(MESSAGE), "no message")?;
    hostile::write_area(AREA, &messages);
    let call = |handle, interface, method, user_data, address: usize| Submission {
        handle,
        interface,
        method,
        flags: FLAG_PARAMETERS_IN_AREA,
        address: address as u64,
        length: MESSAGE as u32,
        ..Submission::new(Opcode::Call, user_data)
    };
    let sleep = call(context.timer.handle(), Timer::ID, Timer::SLEEP, 1, AREA);
    let read = Submission {
        result_address: bytes.as_mut_ptr() as u64,
        result_capacity: 65_600,
        ..call(context.random.handle(), EntropySource::ID, EntropySource::READ, 2, AREA + MESSAGE)
    };
    let told = batch(&[sleep.encode(), read.encode()], 2);
    let told: vec::Vec<(u64, i32)> = told.iter().map(|told| (told.user_data, told.result)).collect();
    equal("told", told.as_slice(), &[(1, 0), (2, 0)][..])
}

fn entropy_lengths(context: &Context) -> Outcome {
    let mut bytes = vec![0; 65_536];
    for length in [0, 1, 7, 63, 64, 65, 4096, 65_535, 65_536] {
        bytes.fill(0);
        let found = done("read", context.random.read(length, &mut bytes))?;
        equal("bytes", found, length as usize)?;
        let set = bytes[..found].iter().filter(|byte| **byte != 0).count();
        check(set >= found / 2, "mostly zeros")?;
        check(bytes[found..].iter().all(|byte| *byte == 0), "more than was asked for")?;
    }
    Ok(())
}

fn entropy_too_much(context: &Context) -> Outcome {
    let mut bytes = [0; 8];
    for length in [65_537, u32::MAX] {
        exception("read", context.random.read(length, &mut bytes), Exception::InvalidArgument)?;
    }
    Ok(())
}

fn boot_checksums(context: &Context) -> Outcome {
    let mut buffer = vec![0; 60_000];
    let count = done("count", context.boot.count())?;
    check(count >= 4, "kernel, init, manifest and two programs are more than that")?;
    for index in 0..count {
        let part = done("part", context.boot.part(index))?;
        let object = done("open", context.boot.open(index))?;
        if part.name != "manifest" && part.name != "init" {
            continue;
        }
        let mut contents = vec![0; part.bytes as usize];
        let mut at = 0;
        while at < contents.len() {
            let step = buffer.len().min(contents.len() - at);
            let found = done("read", object.read(at as u64, step as u32, &mut buffer))?;
            equal("bytes", found, step)?;
            contents[at..at + step].copy_from_slice(&buffer[..step]);
            at += step;
        }
        equal("checksum", crc32c(&contents), part.checksum)?;
    }
    Ok(())
}

fn boot_names(context: &Context) -> Outcome {
    let count = done("count", context.boot.count())?;
    let mut names = vec![];
    for index in 0..count {
        names.push(done("part", context.boot.part(index))?.name);
    }
    for name in ["kernel", "init", "manifest"] {
        equal(name, names.iter().filter(|one| *one == name).count(), 1)?;
    }
    names.sort();
    let total = names.len();
    names.dedup();
    equal("names", names.len(), total)
}

fn boot_past_end(context: &Context) -> Outcome {
    let count = done("count", context.boot.count())?;
    for index in [count, u32::MAX] {
        exception("part", context.boot.part(index), Exception::InvalidArgument)?;
        exception("open", context.boot.open(index), Exception::InvalidArgument)?;
    }
    Ok(())
}

fn boot_sealed(context: &Context) -> Outcome {
    let object = done("open", context.boot.open(0))?;
    check(done("info", object.info())?.is_sealed, "it is not sealed")?;
    refused_or_failed(object.write(0, b"x"))?;
    let mapping = context.memory.map(&object, 0, 4096, true);
    refused_or_failed(mapping.map(|_| ()))?;
    Ok(())
}

/// A part of the image is never writable: the capability lacks the method, or the object refuses.
fn refused_or_failed(result: Result<(), capos_rt::abi::error::CallError>) -> Outcome {
    use capos_rt::abi::error::CallError;
    match result {
        Err(CallError::Transport(Transport::MethodDenied) | CallError::Exception(Exception::Failed)) => {
            Ok(())
        }
        other => Err(alloc::format!("{other:?}")),
    }
}
