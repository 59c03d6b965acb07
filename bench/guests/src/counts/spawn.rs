//! Counts of processes: from the call that makes one to its first statement, and to its end.
//!
//! Called by `main`; starts the program `first`.
//!
//! Invariant: a child's exit code is the low half of its time, and a round takes less than four seconds of that clock.

use capos_rt::abi::error::CallError;
use capos_rt::schema::timer::Timer;

use crate::Context;

/// Bytes that a child may use.
const LIMIT: u64 = 1 << 20;
/// Processes that are counted once, and then twice.
const TIMES: u64 = 8;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    round(context, 1)?;
    let (once, twice) = (round(context, TIMES)?, round(context, 2 * TIMES)?);
    context.print("spawn-to-first", TIMES, once.0, twice.0)?;
    context.print("spawn-to-end", TIMES, once.1, twice.1)
}

/// Sums over `times` processes: to the first statement, and until the end was told.
fn round(context: &Context, times: u64) -> Result<(u64, u64), CallError> {
    let mut sums = (0, 0);
    for _ in 0..times {
        let start = context.timer.now()?;
        let made = context.spawner.create("first", &context.first, LIMIT, 0, 0, 0, 0)?;
        made.process.grant("timer", &context.timer, 1 << Timer::NOW)?;
        made.process.start()?;
        let end = made.process.wait()?;
        sums.0 += u64::from(end.code.wrapping_sub(start as u32));
        sums.1 += context.timer.now()? - start;
    }
    Ok(sums)
}
