//! Between batches: torn and forged indices, a header full of noise, and deadlines without a Timer.
//!
//! Called by `main`; uses the rings by hand.
//!
//! Invariant: afterwards everything is as it was, and a plain submission works.

use alloc::format;
use alloc::string::String;

use capos_kernel_suite::fuzz::{Counts, Generator};
use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{Opcode, Submission, offset};
use capos_rt::hostile;

use crate::batch::Rings;

/// Disturbs the rings in one way.
pub(crate) fn disturb(
    rings: &mut Rings,
    generator: &mut Generator,
    counts: &mut Counts,
) -> Result<(), String> {
    match generator.random.below(5) {
        0 => tail(rings, generator)?,
        1 => completion_head(rings, generator),
        2 => kernels_fields(generator),
        _ => deadline(generator, counts)?,
    }
    let nop = Submission::new(Opcode::Nop, u64::MAX - 7);
    counts.submitted(&nop.encode());
    let completion = rings.one(&nop)?;
    counts.answered(completion.result);
    if completion.result == 0 && completion.user_data == nop.user_data {
        return Ok(());
    }
    Err(format!("after torn indices a nop was answered {completion:?}"))
}

/// A tail that is further from the head than the ring is long: nothing may be taken.
fn tail(rings: &Rings, generator: &mut Generator) -> Result<(), String> {
    let entries = hostile::layout().submission_entries;
    let far = entries + 1 + generator.random.next() as u32 % (u32::MAX - 2 * entries);
    hostile::set_header(offset::SUBMISSION_TAIL, rings.tail.wrapping_add(far));
    hostile::enter(0, 0, 0);
    let head = hostile::header(offset::SUBMISSION_HEAD);
    hostile::set_header(offset::SUBMISSION_TAIL, rings.tail);
    if head == rings.tail { Ok(()) } else { Err(format!("with a tail {far} ahead something was taken")) }
}

/// A completion head that is ahead of what there is, or far behind.
fn completion_head(rings: &Rings, generator: &mut Generator) {
    let far = 1 + generator.random.next() as u32 % (u32::MAX - 1);
    hostile::set_header(offset::COMPLETION_HEAD, rings.head.wrapping_add(far));
    hostile::enter(0, 0, 0);
    hostile::set_header(offset::COMPLETION_HEAD, rings.head);
}

/// Noise in the fields that only the kernel writes: it must not read them back.
fn kernels_fields(generator: &mut Generator) {
    let fields = [
        offset::MAGIC,
        offset::VERSION,
        offset::SUBMISSION_ENTRIES,
        offset::COMPLETION_ENTRIES,
        offset::SUBMISSIONS,
        offset::COMPLETIONS,
        offset::AREA,
        offset::AREA_BYTES,
        offset::SUBMISSION_HEAD,
        offset::COMPLETION_TAIL,
    ];
    let kept = fields.map(hostile::header);
    for field in fields {
        hostile::set_header(field, generator.random.next() as u32);
    }
    hostile::enter(0, 0, 0);
    for (field, value) in fields.into_iter().zip(kept) {
        hostile::set_header(field, value);
    }
}

/// A finite deadline without a Timer.
fn deadline(generator: &mut Generator, counts: &mut Counts) -> Result<(), String> {
    let deadline = 1 + generator.random.next() % (u64::MAX - 2);
    let timer = match generator.random.below(3) {
        0 => 0,
        1 => u64::from(generator.world.entropy.handle),
        _ => generator.random.next() | 1 << 40,
    };
    let answer = hostile::enter(0, deadline, timer);
    counts.answered(answer as i32);
    if answer == i64::from(Transport::NoTimer.result()) {
        return Ok(());
    }
    Err(format!("enter with deadline {deadline} and timer {timer:#x} answered {answer}"))
}
