//! The program text in the book's chapters on capabilities and memory, run.
//!
//! Called by `main`. `make check` compares the chapters' blocks with this file.
//!
//! Invariant: each function ends in an error if a step does not do what the chapter says.

use capos_rt::Cap;
use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;

use crate::context::Context;
use crate::harness::{Harness, Outcome, done};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "book",
        &[
            ("narrower, and taken back", |context| done("lend", lend(&context.timer)).and_then(|told| told)),
            ("a mapping that is taken back", |context| done("share", share(context)).and_then(|told| told)),
            ("pages that two see", |context| done("pages", pages(context)).and_then(|told| told)),
            ("pages that run", |context| done("code", code(context)).and_then(|told| told)),
        ],
    );
}

const REVOKED: CallError = CallError::Transport(Transport::Revoked);

fn lend(timer: &Cap<Timer>) -> Result<Outcome, CallError> {
    // A trunk of our own: what hangs below it can be taken back, and nothing else goes with it.
    let trunk = timer.derive(1 << Timer::NOW | 1 << Timer::SLEEP)?;
    // Narrower: the clock can be read, and nobody can sleep by it.
    let reader = trunk.derive(1 << Timer::NOW)?;
    reader.now()?;
    let sleep = reader.sleep(0);
    let wider = reader.derive(1 << Timer::SLEEP).map(drop);
    // Everything that came from the trunk ends, in whichever process it is. The trunk goes on.
    trunk.revoke()?;
    let late = reader.now();
    trunk.now()?;
    Ok(agree(&[
        sleep == Err(Transport::MethodDenied.into()),
        wider == Err(Transport::MaskNotWithin.into()),
        late == Err(REVOKED),
    ]))
}

fn share(context: &Context) -> Result<Outcome, CallError> {
    let object = context.memory.create_object(4096)?;
    object.write(0, b"shared")?;
    let lent = object.derive(1 << MemoryObject::INFO | 1 << MemoryObject::READ)?;
    let address = context.memory.map(&lent, 0, 4096, false)?;
    let before = capos_rt::hostile::load(address);
    // The handle may go: the mapping is still found.
    drop(lent);
    object.revoke()?;
    let after = capos_rt::hostile::load(address);
    context.memory.unmap(address, 4096)?;
    Ok(agree(&[before == b's', after == 0]))
}

fn pages(context: &Context) -> Result<Outcome, CallError> {
    let object = context.memory.create_object(2 * 4096)?;
    // Two mappings stand here for those of two processes.
    let mine = context.memory.map(&object, 0, 2 * 4096, true)?;
    let theirs = context.memory.map(&object, 4096, 4096, false)?;
    capos_rt::hostile::store_byte(mine + 4096, 7);
    let seen = capos_rt::hostile::load(theirs);
    // Nobody may change it from now on; that is refused as long as somebody still can.
    let early = object.seal();
    context.memory.unmap(mine, 2 * 4096)?;
    object.seal()?;
    let late = context.memory.map(&object, 0, 4096, true);
    context.memory.unmap(theirs, 4096)?;
    let failed = CallError::Exception(Exception::Failed);
    Ok(agree(&[seen == 7, early == Err(failed), late == Err(failed)]))
}

fn code(context: &Context) -> Result<Outcome, CallError> {
    // mov eax, 42; ret
    let object = context.memory.create_object(4096)?;
    object.write(0, &[0xb8, 42, 0, 0, 0, 0xc3])?;
    object.seal()?;
    let address = context.code.map(&context.memory, &object, 0, 4096)?;
    let result = capos_rt::hostile::call(address);
    context.memory.unmap(address, 4096)?;
    Ok(agree(&[result == 42]))
}

/// What the chapter says of each step.
fn agree(said: &[bool]) -> Outcome {
    match said.iter().position(|is_so| !is_so) {
        Some(step) => Err(alloc::format!("claim {step} of the chapter does not hold")),
        None => Ok(()),
    }
}
