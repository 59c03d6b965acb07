//! The server loop: answers with capabilities, answers that come later, events, and how a loop ends.
//!
//! Called by `main`.
//!
//! Invariant: each test serves its own endpoint; every call that a test begins has an end.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::schema::console::{Console, ConsoleStream};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleGrantParams};
use capos_rt::schema::timer::Timer;
use capos_rt::server::{Loop, Next};
use capos_rt::untyped::{Outgoing, Room};
use capos_rt::{Cap, Deadline, Pending, flush};

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::stub_service::{Recorder, SMALL, create, mint, serve, serving, step};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "server loop",
        &[
            ("copies and gifts reach the caller", gifts),
            ("what was to be given away and was not is released", gifts_refused),
            ("a gift for a caller without room stays and is released", gifts_without_room),
            ("capabilities that nobody takes are released", untaken),
            ("answers come later, in any order", later),
            ("a call that is kept and forgotten is refused", forgotten),
            ("a handler that says later and keeps nothing", not_kept),
            ("an answer to a caller that has gone", late),
            ("the service is told of callers that have gone", abandoned),
            ("the service is told of objects that have gone", unreferenced),
            ("a reply that does not fit ends one call", reply_without_room),
            ("a loop that ends has answered", dropped_with_answer),
            ("a loop that ends refuses what it has taken", dropped_with_call),
            ("a loop ends with its receive side", revoked),
            ("a loop waits for other things too", others),
            ("a deadline passes", deadline),
            ("everything is given back", given_back),
        ],
    );
}

fn open(console: &Cap<Console>, name: &str) -> Result<Pending<Cap<Console>>, String> {
    done("begin", console.begin_open(name, ConsoleStream::Output))
}

fn gifts(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    service.clock = Some(done("derive", context.console.derive(1 << Console::WRITE))?);
    for name in ["copy", "give"] {
        let opened = done("open", serve(&mut serving, &mut service, open(&console, name)?))?;
        // An object of the kernel's: the service does not hear of it.
        equal("written", done("write", opened.write(b""))?, 0)?;
        equal("its own", service.clock.is_some(), name == "copy")?;
    }
    check(service.told.len() == 2, "the service heard of more")
}

/// Bytes that the suite is charged for.
fn charged(context: &Context) -> Result<u64, String> {
    flush();
    Ok(done("usage", context.memory.usage())?.committed)
}

fn gifts_refused(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let mut round = || -> Result<u64, String> {
        service.clock = Some(done("derive", context.console.derive(1 << Console::WRITE))?);
        let answer = serve(&mut serving, &mut service, open(&console, "give and refuse")?);
        exception("open", answer, Exception::Overloaded)?;
        charged(context)
    };
    let first = round()?;
    equal("charged", round()?, first)
}

fn gifts_without_room(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let mut round = || -> Result<u64, String> {
        service.clock = Some(done("derive", context.console.derive(1 << Console::WRITE))?);
        let mut message = [0; 64];
        let parameters =
            capos_rt::schema::console::ConsoleOpenParams { name: "give", stream: ConsoleStream::Output };
        let length = parameters.encode(&mut message).unwrap_or(0);
        let room = Room { bytes: 64, capabilities: 0 };
        let call = done("begin", console.begin_untyped(Console::OPEN, &message[..length], &[], room))?;
        step(&mut serving, &mut service)?;
        let other = done("begin", console.begin_write(b"x"))?;
        done("write", serve(&mut serving, &mut service, other))?;
        refused("open", call.wait().map(drop), Transport::NoSlot)?;
        charged(context)
    };
    let first = round()?;
    equal("charged", round()?, first)
}

fn untaken(context: &Context) -> Outcome {
    let (endpoint, process) = create::<ProcessHandle>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let mut round = || -> Result<u64, String> {
        let mut message = [0; 64];
        let parameters = ProcessHandleGrantParams { name: "x", capability: None, methods: 1 };
        let length = parameters.encode(&mut message).unwrap_or(0);
        let sent = [Outgoing::Copy(&context.timer)];
        let room = Room { bytes: 64, capabilities: 0 };
        let call =
            done("begin", process.begin_untyped(ProcessHandle::GRANT, &message[..length], &sent, room))?;
        step(&mut serving, &mut service)?;
        done("submit", serving.submit())?;
        flush();
        exception("grant", call.wait().map(drop), Exception::InvalidArgument)?;
        charged(context)
    };
    let first = round()?;
    equal("charged", round()?, first)
}

fn sleeps(
    timer: &Cap<Timer>,
    serving: &mut Loop<'_>,
    service: &mut Recorder,
    count: usize,
) -> Result<Vec<Pending<()>>, String> {
    let mut calls = Vec::new();
    for _ in 0..count {
        calls.push(done("begin", timer.begin_sleep(0))?);
        step(serving, service)?;
    }
    equal("kept", service.kept.len(), count)?;
    check(calls.iter().all(|call| !call.call().is_complete()), "one was answered")?;
    Ok(calls)
}

fn later(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let mut calls = sleeps(&timer, &mut serving, &mut service, 5)?;
    // Others are served meanwhile.
    let now = done("begin", timer.begin_now())?;
    equal("now", done("now", serve(&mut serving, &mut service, now))?, 42)?;
    for place in [3, 0, 1, 1, 0] {
        let kept = service.kept.remove(place);
        done("answer", kept.answer(()))?;
        done("sleep", calls.remove(place).wait())?;
        check(calls.iter().all(|call| !call.call().is_complete()), "another one was answered")?;
    }
    Ok(())
}

fn forgotten(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let calls = sleeps(&timer, &mut serving, &mut service, 2)?;
    let refusing = service.kept.pop();
    service.kept.clear();
    done("refuse", refusing.map_or(Ok(()), |kept| kept.refuse(Exception::Overloaded)))?;
    let mut calls = calls.into_iter();
    let (first, second) = (calls.next(), calls.next());
    exception("sleep", first.map_or(Ok(()), Pending::wait), Exception::Failed)?;
    exception("sleep", second.map_or(Ok(()), Pending::wait), Exception::Overloaded)
}

fn not_kept(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let call = done("begin", timer.begin_resolution())?;
    exception("resolution", serve(&mut serving, &mut service, call), Exception::Failed)
}

fn late(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let calls = sleeps(&timer, &mut serving, &mut service, 1)?;
    drop(calls);
    let kept = service.kept.pop().ok_or("nothing was kept")?;
    refused("answer", kept.answer(()), Transport::CallerGone)
}

fn abandoned(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let mut calls = sleeps(&timer, &mut serving, &mut service, 3)?;
    let token = service.kept[1].token();
    drop(calls.remove(1));
    step(&mut serving, &mut service)?;
    equal("abandoned", service.abandoned.as_slice(), &[token])?;
    equal("kept", service.kept.len(), 2)?;
    service.kept.drain(..).try_for_each(|kept| done("answer", kept.answer(())))?;
    calls.into_iter().try_for_each(|call| done("sleep", call.wait()))
}

fn unreferenced(context: &Context) -> Outcome {
    let (endpoint, console) = create::<Console>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let opened = done("open", serve(&mut serving, &mut service, open(&console, "new")?))?;
    let other: Cap<Console> = mint(&endpoint, 8)?;
    drop(opened);
    flush();
    step(&mut serving, &mut service)?;
    drop(other);
    flush();
    step(&mut serving, &mut service)?;
    equal("told", &service.told[1..], &["unreferenced 7".into(), "unreferenced 8".into()])
}

fn reply_without_room(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let room = Room { bytes: 8, capabilities: 0 };
    let call = done("begin", timer.begin_untyped(Timer::NOW, b"", &[], room))?;
    step(&mut serving, &mut service)?;
    let next = done("begin", timer.begin_now())?;
    equal("now", done("now", serve(&mut serving, &mut service, next))?, 42)?;
    refused("now", call.wait().map(drop), Transport::TooLarge)
}

fn dropped_with_answer(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let call = done("begin", timer.begin_now())?;
    step(&mut serving, &mut service)?;
    check(!call.call().is_complete(), "answered before the next wait")?;
    drop(serving);
    equal("now", done("now", call.wait())?, 42)
}

fn dropped_with_call(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let mut serving = serving(&endpoint)?;
    done("submit", serving.submit())?;
    let call = done("begin", timer.begin_now())?;
    flush();
    drop(serving);
    exception("now", call.wait(), Exception::Overloaded)?;
    // A loop that has received nothing takes nothing with it.
    let mut serving = done("loop", Loop::new::<Recorder>(&endpoint, SMALL))?;
    done("submit", serving.submit())?;
    flush();
    drop(serving);
    let call = done("begin", timer.begin_now())?;
    flush();
    check(!call.call().is_complete(), "somebody answered")
}

fn revoked(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let lent = done("derive", endpoint.derive(1 << Endpoint::RECEIVE))?;
    let mut service = Recorder::default();
    let mut serving = done("loop", Loop::new::<Recorder>(&lent, SMALL))?;
    let call = done("begin", timer.begin_now())?;
    equal("now", done("now", serve(&mut serving, &mut service, call))?, 42)?;
    done("revoke", endpoint.revoke())?;
    refused("next", serving.next(&mut service, &[], Deadline::NEVER).map(drop), Transport::Revoked)?;
    refused("run", serving.run(&mut service).map(drop), Transport::Revoked)
}

fn others(context: &Context) -> Outcome {
    let (endpoint, timer) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let never = done("begin", context.timer.begin_sleep(u64::MAX - 1))?;
    let soon = done("begin", context.timer.begin_sleep(0))?;
    let waiting = [never.call(), soon.call()];
    let next = done("next", serving.next(&mut service, &waiting, Deadline::NEVER))?;
    equal("next", next, Next::Other(1))?;
    let call = done("begin", timer.begin_now())?;
    let next = done("next", serving.next(&mut service, &[never.call()], Deadline::NEVER))?;
    equal("next", next, Next::Served)?;
    equal("now", done("now", serve(&mut serving, &mut service, call))?, 42)
}

fn deadline(context: &Context) -> Outcome {
    let (endpoint, _) = create::<Timer>(context)?;
    let (mut serving, mut service) = (serving(&endpoint)?, Recorder::default());
    let until = done("now", context.timer.now())? + 1_000_000;
    let next = serving.next(&mut service, &[], Deadline::at(&context.timer, until));
    equal("next", done("next", next)?, Next::Deadline)?;
    check(done("now", context.timer.now())? >= until, "it ended too early")
}

fn given_back(context: &Context) -> Outcome {
    let round = || -> Result<u64, String> {
        let tests = vec![gifts, later, abandoned, unreferenced, reply_without_room, dropped_with_call];
        tests.into_iter().try_for_each(|test: fn(&Context) -> Outcome| test(context))?;
        charged(context)
    };
    round()?;
    let before = charged(context)?;
    for _ in 0..5 {
        round()?;
    }
    equal("charged", charged(context)?, before)
}
