//! The program text in the book's chapter on capabilities, run.
//!
//! Called by `main`. `make check` compares the chapter's blocks with this file.
//!
//! Invariant: each function ends in an error if a step does not do what the chapter says.

use capos_rt::Cap;
use capos_rt::abi::error::{CallError, Transport};
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

/// What the chapter says of each step.
fn agree(said: &[bool]) -> Outcome {
    match said.iter().position(|is_so| !is_so) {
        Some(step) => Err(alloc::format!("claim {step} of the chapter does not hold")),
        None => Ok(()),
    }
}
