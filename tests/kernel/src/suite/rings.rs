//! The rings by hand: what the kernel makes of indices and words that no runtime writes.
//!
//! Called by `main`, and by other subjects through [`submit`] and [`batch`].
//!
//! Invariant: nothing of the runtime is in flight while the rings are used by hand, and the runtime is told afterwards.

use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{self, Completion, Opcode, Submission, offset};
use capos_rt::hostile;

use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal};

/// Submits eight words by hand and waits for their completion. The words' user data must not be 0.
pub(crate) fn submit(words: &[u64; 8]) -> Completion {
    // What the runtime has not handed over yet (releases) goes first.
    capos_rt::flush();
    hostile::resynchronize();
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    let head = hostile::header(offset::COMPLETION_TAIL);
    hostile::write_submission(tail, words);
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
    hostile::enter(1, u64::MAX, 0);
    let completion = Completion::decode(&hostile::read_completion(head));
    hostile::resynchronize();
    completion
}

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "ring",
        &[
            ("the header is as documented", header),
            ("user data comes back", user_data),
            ("a refused submission completes too", refused_completes),
            ("a tail that is too far takes nothing", torn_tail),
            ("a tail behind the head takes nothing", tail_behind),
            ("a completion head that is too far", torn_completion_head),
            ("a header full of garbage", garbage_header),
            ("a full batch", full_batch),
            ("more than fits waits for room", no_room),
            ("indices wrap", indices_wrap),
            ("park sees the value", park_value),
            ("unpark without a parked one", unpark_nobody),
            ("unpark wakes those that are parked", unpark_wakes),
            ("unpark wakes only as many as it says", unpark_some),
            ("flags of the processor do not reach ring 0", processor_flags),
        ],
    );
}

fn header(_: &Context) -> Outcome {
    let layout = hostile::layout();
    equal("magic", hostile::header(offset::MAGIC), ring::MAGIC)?;
    equal("version", hostile::header(offset::VERSION), ring::VERSION)?;
    equal("area", hostile::header(offset::AREA) as usize, layout.area_offset())?;
    check(layout.is_valid(), "an invalid layout")
}

fn user_data(_: &Context) -> Outcome {
    for user_data in [1, u64::MAX, 0x8000_0000_0000_0000, 0x0123_4567_89ab_cdef] {
        let completion = submit(&Submission::new(Opcode::Nop, user_data).encode());
        equal("completion", completion, Completion::new(user_data, 0))?;
    }
    Ok(())
}

fn refused_completes(_: &Context) -> Outcome {
    let mut words = [0; 8];
    words[0] = 200;
    words[2] = 77;
    equal("completion", submit(&words), Completion::new(77, Transport::UnknownOpcode.result()))
}

/// A plain submission works.
fn still_works() -> Outcome {
    equal("nop", submit(&Submission::new(Opcode::Nop, 3).encode()), Completion::new(3, 0))
}

/// Publishes a tail, enters, and puts things right; what `enter` said and whether anything was taken.
fn with_tail(tail: u32) -> (i64, bool) {
    let head = hostile::header(offset::SUBMISSION_HEAD);
    hostile::set_header(offset::SUBMISSION_TAIL, tail);
    let answer = hostile::enter(0, 0, 0);
    let taken = hostile::header(offset::SUBMISSION_HEAD) != head;
    hostile::set_header(offset::SUBMISSION_TAIL, hostile::header(offset::SUBMISSION_HEAD));
    hostile::resynchronize();
    (answer, taken)
}

fn torn_tail(_: &Context) -> Outcome {
    let entries = hostile::layout().submission_entries;
    let head = hostile::header(offset::SUBMISSION_HEAD);
    for far in [entries + 1, entries * 2, 0x7fff_ffff, 0x8000_0000, u32::MAX - entries] {
        check(!with_tail(head.wrapping_add(far)).1, "something was taken")?;
    }
    still_works()
}

fn tail_behind(_: &Context) -> Outcome {
    let head = hostile::header(offset::SUBMISSION_HEAD);
    for back in [1, 2, 100, 0x10_0000] {
        check(!with_tail(head.wrapping_sub(back)).1, "something was taken")?;
    }
    still_works()
}

fn torn_completion_head(_: &Context) -> Outcome {
    let tail = hostile::header(offset::COMPLETION_TAIL);
    let entries = hostile::layout().completion_entries;
    for far in [1, entries, entries + 1, 0x8000_0000, u32::MAX - entries] {
        hostile::set_header(offset::COMPLETION_HEAD, tail.wrapping_add(far));
        hostile::enter(0, 0, 0);
    }
    hostile::set_header(offset::COMPLETION_HEAD, tail);
    still_works()
}

fn garbage_header(_: &Context) -> Outcome {
    let own = [offset::MAGIC, offset::VERSION, offset::SUBMISSION_ENTRIES, offset::COMPLETION_ENTRIES];
    let all = [offset::SUBMISSIONS, offset::COMPLETIONS, offset::AREA, offset::AREA_BYTES];
    let fields = own.into_iter().chain(all);
    let kept: alloc::vec::Vec<(usize, u32)> = fields.map(|field| (field, hostile::header(field))).collect();
    let kernel = [offset::SUBMISSION_HEAD, offset::COMPLETION_TAIL];
    let indices = kernel.map(|field| (field, hostile::header(field)));
    for garbage in [0, 1, 0x1000, u32::MAX] {
        kept.iter().for_each(|(field, _)| hostile::set_header(*field, garbage));
        indices.iter().for_each(|(field, value)| hostile::set_header(*field, value.wrapping_add(garbage)));
        hostile::enter(0, 0, 0);
    }
    kept.iter().chain(&indices).for_each(|(field, value)| hostile::set_header(*field, *value));
    hostile::set_header(offset::SUBMISSION_TAIL, indices[0].1);
    hostile::resynchronize();
    still_works()
}

fn full_batch(_: &Context) -> Outcome {
    capos_rt::flush();
    hostile::resynchronize();
    let entries = hostile::layout().submission_entries;
    let (tail, head) = (hostile::header(offset::SUBMISSION_HEAD), hostile::header(offset::COMPLETION_TAIL));
    for index in 0..entries {
        let words = Submission::new(Opcode::Nop, u64::from(index) + 1).encode();
        hostile::write_submission(tail.wrapping_add(index), &words);
    }
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(entries));
    let ready = hostile::enter(u64::from(entries), u64::MAX, 0);
    for index in 0..entries {
        let completion = Completion::decode(&hostile::read_completion(head.wrapping_add(index)));
        equal("completion", completion, Completion::new(u64::from(index) + 1, 0))?;
    }
    hostile::resynchronize();
    equal("ready", ready, i64::from(entries))
}

/// Completions are never dropped: a submission without room for its completion is not taken.
fn no_room(_: &Context) -> Outcome {
    capos_rt::flush();
    hostile::resynchronize();
    let layout = hostile::layout();
    let head = hostile::header(offset::COMPLETION_TAIL);
    let mut submitted = 0u32;
    for _ in 0..4 * layout.completion_entries / layout.submission_entries {
        let tail = hostile::header(offset::SUBMISSION_HEAD);
        for index in 0..layout.submission_entries {
            let words = Submission::new(Opcode::Nop, u64::from(submitted + index) + 1).encode();
            hostile::write_submission(tail.wrapping_add(index), &words);
        }
        hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(layout.submission_entries));
        hostile::enter(0, 0, 0);
        let taken = hostile::header(offset::SUBMISSION_HEAD).wrapping_sub(tail);
        hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(taken));
        submitted += taken;
        if taken == 0 {
            break;
        }
    }
    let written = hostile::header(offset::COMPLETION_TAIL).wrapping_sub(head);
    let complete = (0..written).all(|index| {
        let completion = Completion::decode(&hostile::read_completion(head.wrapping_add(index)));
        completion == Completion::new(u64::from(index) + 1, 0)
    });
    hostile::resynchronize();
    equal("taken", submitted, layout.completion_entries)?;
    equal("written", written, layout.completion_entries)?;
    check(complete, "a completion is missing")?;
    still_works()
}

fn indices_wrap(_: &Context) -> Outcome {
    for _ in 0..3 * hostile::layout().completion_entries {
        still_works()?;
    }
    Ok(())
}

use core::sync::atomic::{AtomicU32, Ordering};

static WORD: AtomicU32 = AtomicU32::new(41);

fn word() -> u64 {
    (&raw const WORD) as u64
}

fn parking(opcode: Opcode, address: u64, operand: u64, user_data: u64) -> [u64; 8] {
    Submission { address, operand, ..Submission::new(opcode, user_data) }.encode()
}

fn park_value(_: &Context) -> Outcome {
    WORD.store(41, Ordering::Relaxed);
    let result = |address, value| submit(&parking(Opcode::Park, address, value, 5)).result;
    equal("another value", result(word(), 42), Transport::ValueChanged.result())?;
    equal("a larger value", result(word(), 41 | 1 << 32), Transport::ValueChanged.result())?;
    equal("misaligned", result(word() + 1, 41), Transport::BadAddress.result())?;
    equal("null", result(0, 0), Transport::BadAddress.result())?;
    equal("the kernel", result(0xffff_8000_0000_0000, 0), Transport::BadAddress.result())
}

fn unpark_nobody(_: &Context) -> Outcome {
    equal("woken", submit(&parking(Opcode::Unpark, word(), 10, 6)), Completion::new(6, 0))
}

/// Submits several in one go; their completions by user data (1, 2, ...), after those that wait were woken.
pub(crate) fn batch(words: &[[u64; 8]], complete: u64) -> alloc::vec::Vec<Completion> {
    capos_rt::flush();
    hostile::resynchronize();
    let (tail, head) = (hostile::header(offset::SUBMISSION_HEAD), hostile::header(offset::COMPLETION_TAIL));
    for (index, words) in words.iter().enumerate() {
        hostile::write_submission(tail.wrapping_add(index as u32), words);
    }
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(words.len() as u32));
    hostile::enter(complete, u64::MAX, 0);
    let ready = hostile::header(offset::COMPLETION_TAIL).wrapping_sub(head);
    let completions = (0..ready)
        .map(|index| Completion::decode(&hostile::read_completion(head.wrapping_add(index))))
        .collect();
    hostile::resynchronize();
    completions
}

fn unpark_wakes(_: &Context) -> Outcome {
    WORD.store(41, Ordering::Relaxed);
    let park = |user_data| parking(Opcode::Park, word(), 41, user_data);
    let mut found = batch(&[park(1), park(2), parking(Opcode::Unpark, word(), 5, 3)], 3);
    found.sort_by_key(|completion| completion.user_data);
    let woken = [Completion::new(1, 0), Completion::new(2, 0), Completion::new(3, 2)];
    equal("completions", found.as_slice(), &woken[..])
}

fn unpark_some(_: &Context) -> Outcome {
    let park = |user_data| parking(Opcode::Park, word(), 41, user_data);
    let unpark = |count, user_data| parking(Opcode::Unpark, word(), count, user_data);
    let found = batch(&[park(1), park(2), unpark(1, 3)], 2);
    equal("completions", found.len(), 2)?;
    check(found.contains(&Completion::new(1, 0)), "the first one that was parked was not the first to wake")?;
    let rest = batch(&[unpark(9, 4)], 2);
    check(
        rest.contains(&Completion::new(2, 0)) && rest.contains(&Completion::new(4, 1)),
        "the second one did not wake",
    )
}

fn processor_flags(context: &Context) -> Outcome {
    let reply = crate::child::run(context, "flags")?;
    equal("end", crate::child::end(&reply), ("exited", 0))?;
    done("now", context.timer.now()).map(|_| ())
}
