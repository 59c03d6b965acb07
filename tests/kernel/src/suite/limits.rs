//! Limits: what a child gets is its creator's, and comes back.
//!
//! Called by `main`.
//!
//! Invariant: the suite's own usage is the same before and after.

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::schema::process_spawner::ProcessSpawner;

use crate::child::{self, LIMIT};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "limit",
        &[
            ("a child's limit is its creator's", carved),
            ("more than the creator has is refused", too_much),
            ("a child cannot pass its limit", child_limit),
            ("a heap that cannot grow ends its program", heap),
            ("names, stacks and rings are checked", parameters),
            ("a spawner without create creates nothing", masked),
        ],
    );
}

fn committed(context: &Context) -> Result<u64, alloc::string::String> {
    Ok(done("usage", context.memory.usage())?.committed)
}

fn carved(context: &Context) -> Outcome {
    let before = committed(context)?;
    let child = child::create(context, "exit 0")?;
    let usage = done("usage", child.memory.usage())?;
    equal("limit", usage.limit, LIMIT)?;
    check(usage.committed > 0 && usage.committed < LIMIT, "an empty process costs nothing, or everything")?;
    check(committed(context)? >= before + LIMIT, "the limit is not set aside")?;
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    drop(child);
    let after = committed(context)?;
    check(after < before + LIMIT / 4, "the limit did not come back")
}

fn too_much(context: &Context) -> Outcome {
    let usage = done("usage", context.memory.usage())?;
    let all = usage.limit - usage.committed + 4096;
    for limit in [all, usage.limit, 1 << 40, u64::MAX & !0xfff, u64::MAX] {
        let reply = context.spawner.create("x", &context.crash, limit, 0, 0, 0, 0);
        refused("create", reply, Transport::LimitReached)?;
    }
    Ok(())
}

fn child_limit(context: &Context) -> Outcome {
    let child = child::create(context, "touch and keep")?;
    child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))?;
    let reply = child.memory.create_object(LIMIT);
    check(reply.is_err(), "an object of the whole limit was made")
}

fn heap(context: &Context) -> Outcome {
    let child = child::create(context, "allocate")?;
    child::grant(&child, "memory", &child.memory, u64::from(u8::MAX >> 1))?;
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?).0, "memory")
}

fn parameters(context: &Context) -> Outcome {
    let create = |name: &str, stack, rings: (u32, u32, u32)| {
        context.spawner.create(name, &context.crash, LIMIT, stack, rings.0, rings.1, rings.2).map(|_| ())
    };
    let default = (0, 0, 0);
    let long = "x".repeat(65);
    for name in ["", long.as_str()] {
        exception("name", create(name, 0, default), Exception::InvalidArgument)?;
    }
    done("the longest name", create(&long[..64], 0, default))?;
    exception("stack", create("x", (64 << 20) + 4096, default), Exception::InvalidArgument)?;
    refused("stack", create("x", 4 << 20, default), Transport::LimitReached)?;
    for rings in
        [(3, 0, 0), (16, 16, 0), (0, 33, 0), (2048, 4096, 0), (0, 8192, 0), (0, 0, 4095), (0, 0, 2 << 20)]
    {
        exception("rings", create("x", 0, rings), Exception::InvalidArgument)?;
    }
    done("rings", create("x", 0, (4, 8, 4096)))?;
    done("rings", create("x", 0, (64, 256, 65_536)))
}

fn masked(context: &Context) -> Outcome {
    let none = done("derive", context.spawner.derive(0))?;
    refused("create", none.create("x", &context.crash, LIMIT, 0, 0, 0, 0), Transport::MethodDenied)?;
    equal("method", ProcessSpawner::CREATE, 0)
}
