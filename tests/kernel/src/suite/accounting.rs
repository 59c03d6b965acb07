//! Accounting: what a process is said to use is what it uses, and limits are carved out of what there is.
//!
//! Called by `main`.
//!
//! Invariant: counts, not times: nothing depends on how fast the machine is.

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, ProcessSpawnerCreateWithinReply};

use crate::child::{self, LIMIT};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "accounting",
        &[
            ("memory that is set aside and memory that is promised", memory),
            ("objects are counted by kind", objects),
            ("time counts, also after the end", time),
            ("weights are carved out and come back", weights),
            ("limits that cannot be are refused", refusals),
            ("without a method nothing is read", masked),
        ],
    );
}

/// A child with these limits, which does not run.
fn within(
    context: &Context,
    reserve: u64,
    weight: u32,
    budget: u64,
    period: u64,
) -> Result<ProcessSpawnerCreateWithinReply, capos_rt::abi::error::CallError> {
    let name = "within";
    context.spawner.create_within(name, &context.crash, LIMIT, reserve, weight, budget, period, 0, 0, 0, 0)
}

fn memory(context: &Context) -> Outcome {
    const RESERVE: u64 = 1 << 20;
    let made = done("create", within(context, RESERVE, 0, 0, 0))?;
    let accounting = done("accounting", made.process.accounting())?;
    let before = done("memory", accounting.memory())?;
    equal("limit", (before.limit, before.reserve), (LIMIT, RESERVE))?;
    check(before.backed > 0 && before.backed < before.committed, "a new process has no frames, or too many")?;
    let object = done("object", made.memory.create_object(8 * 4096))?;
    let promised = done("memory", accounting.memory())?;
    equal("an untouched object has frames", promised.backed, before.backed)?;
    check(promised.committed >= before.committed + 8 * 4096, "the object is not charged")?;
    done("write", object.write(4096, b"x"))?;
    equal("frames", done("memory", accounting.memory())?.backed, before.backed + 4096)?;
    refused("object", made.memory.create_object(LIMIT), Transport::LimitReached)?;
    let after = done("memory", accounting.memory())?;
    equal("refusals", after.refusals, before.refusals + 1)
}

fn objects(context: &Context) -> Outcome {
    let child = child::create(context, "wait for ever")?;
    let accounting = done("accounting", child.process.accounting())?;
    let before = done("objects", accounting.objects())?;
    let object = done("object", child.memory.create_object(4096))?;
    child::grant(&child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    done("map", child.memory.map(&object, 0, 4096, true))?;
    let after = done("objects", accounting.objects())?;
    equal("objects", after.memory_objects, before.memory_objects + 1)?;
    equal("capabilities", after.capabilities, before.capabilities + 1)?;
    equal("mappings", after.mappings, before.mappings + 1)?;
    equal("others", (after.processes, after.endpoints, after.minted, after.notifications), (0, 0, 0, 0))
}

fn time(context: &Context) -> Outcome {
    let child = child::create(context, "exit 42")?;
    let accounting = done("accounting", child.process.accounting())?;
    equal("time before it ran", done("processor", accounting.processor())?.time, 0)?;
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 42))?;
    check(done("processor", accounting.processor())?.time > 0, "it ran for no time")?;
    check(done("activity", accounting.activity())?.entries > 0, "the processor was never left to it")
}

fn weights(context: &Context) -> Outcome {
    let made = done("create", within(context, 0, 60, 0, 0))?;
    let accounting = done("accounting", made.process.accounting())?;
    equal("weight", done("processor", accounting.processor())?.weight, 60)?;
    // Of the suite's 100 there are 40 left, of which it keeps one.
    refused("create", within(context, 0, 40, 0, 0).map(drop), Transport::LimitReached)?;
    done("create", within(context, 0, 39, 0, 0)).map(drop)?;
    done("kill", made.process.kill(OutcomeKind::Killed as u16))?;
    done("wait", made.process.wait())?;
    let again = done("create", within(context, 0, 99, 5_000_000, 10_000_000))?;
    let processor = done("processor", done("accounting", again.process.accounting())?.processor())?;
    equal("budget", (processor.budget, processor.period, processor.left), (5_000_000, 10_000_000, 5_000_000))
}

fn refusals(context: &Context) -> Outcome {
    let invalid = |reserve, weight, budget, period| {
        exception(
            "create",
            within(context, reserve, weight, budget, period).map(drop),
            Exception::InvalidArgument,
        )
    };
    invalid(LIMIT + 1, 0, 0, 0)?;
    invalid(0, 0, 1_000_000, 10_000_000)?;
    invalid(0, 1, 10_000_001, 10_000_000)?;
    invalid(0, 1, 1, 999_999)?;
    invalid(0, 1, 1, 10_000_000_001)?;
    invalid(0, 1, 0, 10_000_000)?;
    refused("create", within(context, 0, 100, 0, 0).map(drop), Transport::LimitReached)?;
    refused("create", within(context, 0, u32::MAX, 0, 0).map(drop), Transport::LimitReached)
}

fn masked(context: &Context) -> Outcome {
    let child = child::create(context, "exit 0")?;
    let accounting = done("accounting", child.process.accounting())?;
    let narrow: Cap<Accounting> = done("derive", accounting.derive(1 << Accounting::MEMORY))?;
    done("memory", narrow.memory())?;
    refused("processor", narrow.processor(), Transport::MethodDenied)?;
    refused("activity", narrow.activity(), Transport::MethodDenied)?;
    refused("objects", narrow.objects(), Transport::MethodDenied)
}
