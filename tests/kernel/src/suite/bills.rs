//! The bill: who pays for a server whose caller is gone, and budgets that cannot be passed.
//!
//! Called by `main`.
//!
//! Invariant: nothing depends on how fast the machine is: a budget that is used up comes back long after the test.

use alloc::string::String;

use capos_kernel_suite::probe::Probe;
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, Deadline};

use crate::child::{self, Child, LIMIT, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, done, equal};
use crate::service::{self, SMALL, Service};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "bill",
        &[
            ("a server goes on when its caller is killed", killed_caller),
            ("a budget ends for one that reads its account", budget_and_reads),
            ("a budget ends for one whose timers go off", budget_and_timers),
            ("who is woken by an end does not wait for all of it", woken_by_an_end),
        ],
    );
}

/// A child with a share of its own, which does not run yet.
fn with_share(context: &Context, way: &str, weight: u32, budget: u64, period: u64) -> Result<Child, String> {
    let made =
        context.spawner.create_within(way, &context.crash, LIMIT, 0, weight, budget, period, 0, 0, 0, 0);
    let made = done("create", made)?;
    let child = Child { process: made.process, memory: made.memory };
    child::give_argument(context, &child, way)?;
    Ok(child)
}

/// An object in which children write what they have done.
fn notes(context: &Context) -> Result<Cap<MemoryObject>, String> {
    done("object", context.memory.create_object(4096))
}

fn note(object: &Cap<MemoryObject>, place: u64) -> Result<u8, String> {
    let mut byte = [0];
    done("read", object.read(place, 1, &mut byte))?;
    Ok(byte[0])
}

fn sleep(context: &Context, nanoseconds: u64) -> Outcome {
    let now = done("now", context.timer.now())?;
    done("sleep", context.timer.sleep(now + nanoseconds))
}

fn grant_notes(child: &Child, object: &Cap<MemoryObject>) -> Outcome {
    child::grant(child, "object", object, MemoryObject::ALL_METHODS)?;
    child::grant(child, "memory", &child.memory, VirtualMemory::ALL_METHODS)
}

fn start_server(
    context: &Context,
    way: &str,
    service: &Service,
    object: &Cap<MemoryObject>,
) -> Result<Child, String> {
    let server = child::create(context, way)?;
    grant_notes(&server, object)?;
    child::grant(&server, "endpoint", &service.endpoint, 1 << Endpoint::RECEIVE)?;
    done("start", server.process.start())?;
    Ok(server)
}

fn start_caller(child: Child, service: &Service, object: &Cap<MemoryObject>) -> Result<Child, String> {
    grant_notes(&child, object)?;
    child::grant(&child, "service", &service.root, Probe::ALL_METHODS)?;
    done("start", child.process.start())?;
    Ok(child)
}

/// The server stands in the line of its caller's share when that ends. Another process has the share's number then.
fn killed_caller(context: &Context) -> Outcome {
    let (service, object) = (service::create(context)?, notes(context)?);
    let server = start_server(context, "serve and dawdle", &service, &object)?;
    let caller = start_caller(with_share(context, "call and wait", 10, 0, 0)?, &service, &object)?;
    while note(&object, 0)? == 0 {
        sleep(context, 100_000)?;
    }
    child::kill(&caller)?;
    let other = with_share(context, "exit 42", 10, 0, 0)?;
    done("start", other.process.start())?;
    equal("end", end(&child::wait(&other)?), ("exited", 42))?;
    done("write", object.write(1, &[1]))?;
    let deadline = done("now", context.timer.now())? + 5_000_000_000;
    let answer = service.begin(1, b"", SMALL)?.wait_until(Deadline::at(&context.timer, deadline));
    done("a later call", answer.map(drop))?;
    child::kill(&server)
}

/// Of ten seconds it may have five milliseconds, and 200 after its start it has done nothing that comes behind them.
fn stops_at_its_budget(context: &Context, way: &str) -> Outcome {
    let (object, child) = (notes(context)?, with_share(context, way, 1, 5_000_000, 10_000_000_000)?);
    let account = done("accounting", child.process.accounting())?;
    child::grant(&child, "accounting", &account, 1 << Accounting::PROCESSOR)?;
    child::grant(&child, "timer", &context.timer, Timer::ALL_METHODS)?;
    grant_notes(&child, &object)?;
    done("start", child.process.start())?;
    sleep(context, 200_000_000)?;
    equal("left", done("processor", account.processor())?.left, 0)?;
    equal("went on without time", note(&object, 0)?, 0)?;
    child::kill(&child)
}

fn budget_and_reads(context: &Context) -> Outcome {
    stops_at_its_budget(context, "spend and read")
}

fn budget_and_timers(context: &Context) -> Outcome {
    let other = child::create(context, "sleep on the grid")?;
    grant_notes(&other, &notes(context)?)?;
    child::grant(&other, "timer", &context.timer, Timer::ALL_METHODS)?;
    done("start", other.process.start())?;
    stops_at_its_budget(context, "spend and sleep")?;
    child::kill(&other)
}

/// A server with much memory ends, and the suite waits for that. The server's caller goes on before.
fn woken_by_an_end(context: &Context) -> Outcome {
    let (service, object) = (service::create(context)?, notes(context)?);
    let server = start_server(context, "receive and fill", &service, &object)?;
    let caller = start_caller(child::create(context, "call and mark")?, &service, &object)?;
    equal("server", end(&child::wait(&server)?), ("exited", 0))?;
    equal("it went on", note(&object, 0)?, 1)?;
    equal("caller", end(&child::wait(&caller)?), ("exited", 0))
}
