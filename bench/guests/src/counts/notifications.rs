//! Counts of signals between processes.
//!
//! Called by `main`; starts the program `bell`.
//!
//! Invariant: the other process waits when a signal is sent, so a round is two signals, each from its call to the first
//! statement behind the wait that it ends.

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::OutcomeKind;
use capos_rt::schema::notification::Notification;

use crate::Context;

/// Bytes that the other process may use.
const LIMIT: u64 = 2 << 20;
const ROUNDS: u64 = 1000;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    let ring = context.spawner.create_notification()?;
    let answer = context.spawner.create_notification()?;
    let bell = context.spawner.create("bell", &context.bell, LIMIT, 0, 0, 0, 0)?;
    bell.process.grant("ring", &ring, 1 << Notification::WAIT)?;
    bell.process.grant("answer", &answer, 1 << Notification::SIGNAL)?;
    bell.process.start()?;
    let run = |rounds: u64| {
        let start = context.timer.now()?;
        for _ in 0..rounds {
            ring.signal(1)?;
            answer.wait(1)?;
        }
        Ok::<_, CallError>(context.timer.now()? - start)
    };
    run(1)?;
    let (once, twice) = (run(ROUNDS)?, run(2 * ROUNDS)?);
    context.print("notification-wake", 2 * ROUNDS, once, twice)?;
    bell.process.kill(OutcomeKind::Killed as u16)
}
