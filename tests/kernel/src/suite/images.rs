//! Hostile programs: each malformed image is refused by `create`.
//!
//! Called by `main`; gives the spawner the images of `capos_kernel_suite::elf`. The kernel's log says why each was refused:
//! the case compares it.
//!
//! Invariant: after all refusals a good image still runs.

use alloc::boxed::Box;

use capos_kernel_suite::elf::{self, HOSTILE, IMAGE_BYTES};
use capos_rt::abi::error::{Exception, Transport};

use crate::child::{self, Child, LIMIT};
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};

pub(crate) fn run(harness: &mut Harness<'_>) {
    for hostile in HOSTILE {
        let mut bytes = Box::new([0; IMAGE_BYTES]);
        let length = hostile.write(&mut bytes);
        harness.count("image", hostile.name, refuse(harness.context, hostile.name, &bytes[..length]));
    }
    harness.subject(
        "image",
        &[
            ("a good one runs", good),
            ("empty", empty),
            ("not sealed", not_sealed),
            ("a system call in the last bytes", at_the_end),
            ("larger than its limit", too_small_a_limit),
            ("what it says is read once, and paid for with the image", read_once),
        ],
    );
}

fn refuse(context: &Context, name: &str, bytes: &[u8]) -> Outcome {
    let image = child::sealed(context, bytes)?;
    exception("create", context.spawner.create(name, &image, LIMIT, 0, 0, 0, 0), Exception::InvalidArgument)
}

fn good(context: &Context) -> Outcome {
    let mut bytes = Box::new([0; IMAGE_BYTES]);
    elf::good(&mut bytes);
    let image = child::sealed(context, &bytes[..])?;
    let made = done("create", context.spawner.create("good", &image, LIMIT, 0, 0, 0, 0))?;
    let child = Child { process: made.process, memory: made.memory };
    done("start", child.process.start())?;
    equal("end", child::end(&child::wait(&child)?), ("exited", elf::EXIT_CODE))
}

fn empty(context: &Context) -> Outcome {
    let image = done("create object", context.memory.create_object(4096))?;
    done("seal", image.seal())?;
    exception("create", context.spawner.create("x", &image, LIMIT, 0, 0, 0, 0), Exception::InvalidArgument)
}

fn not_sealed(context: &Context) -> Outcome {
    let mut bytes = Box::new([0; IMAGE_BYTES]);
    elf::good(&mut bytes);
    let image = done("create object", context.memory.create_object(IMAGE_BYTES as u64))?;
    done("write", image.write(0, &bytes[..]))?;
    exception("create", context.spawner.create("x", &image, LIMIT, 0, 0, 0, 0), Exception::InvalidArgument)
}

/// The return address of a system call at the very end of what a program can have is the first address past it: returning
/// there must be the program's fault, never the kernel's.
fn at_the_end(context: &Context) -> Outcome {
    const END: u64 = 0x7fff_ffff_f000;
    let mut bytes = Box::new([0; IMAGE_BYTES]);
    elf::at_the_end(&mut bytes, END);
    let image = child::sealed(context, &bytes[..])?;
    let Ok(made) = context.spawner.create("edge", &image, LIMIT, 0, 0, 0, 0) else { return Ok(()) };
    let child = Child { process: made.process, memory: made.memory };
    done("start", child.process.start())?;
    let reply = child::wait(&child)?;
    equal("end", child::end(&reply).0, "fault")?;
    check(reply.fault.vector == 14 || reply.fault.vector == 13, "another vector than #PF or #GP")?;
    equal("instruction pointer", reply.fault.instruction_pointer, END)
}

fn read_once(context: &Context) -> Outcome {
    let usage = || {
        // Releases are handed over with the next call: the first call brings them, the second counts.
        done("usage", context.memory.usage())?;
        done("usage", context.memory.usage()).map(|usage| usage.committed)
    };
    let before = usage()?;
    let mut bytes = Box::new([0; IMAGE_BYTES]);
    elf::good(&mut bytes);
    let image = child::sealed(context, &bytes[..])?;
    let mut charged = [usage()?, 0, 0];
    for round in [1, 2] {
        drop(done("create", context.spawner.create("good", &image, LIMIT, 0, 0, 0, 0))?);
        charged[round] = usage()?;
    }
    check(charged[1] > charged[0], "nothing is kept of what the image says")?;
    equal("the second time", charged[2], charged[1])?;
    drop(image);
    equal("given back", usage()?, before)
}

fn too_small_a_limit(context: &Context) -> Outcome {
    refused("create", context.spawner.create("x", &context.crash, 4096, 0, 0, 0, 0), Transport::LimitReached)
}
