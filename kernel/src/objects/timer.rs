//! Timer: the clock, and the right to wait for it.
//!
//! Specified by `schema/interfaces/timer.capnp`. Called by `invoke`; completed by the timer queue.
//!
//! Invariant: the clock never goes back, and a sleep never completes early.

use crate::calls::message::{SMALL, malformed};
use crate::calls::operation::Parked;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use capos_abi::error::{CallError, Transport};
use capos_kernel_hal::time::Clock;
use capos_schema::timer::{Timer, TimerNowResults, TimerResolutionResults, TimerSleepParams};

/// Ticks per second above which the clock's smallest step is one nanosecond.
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
/// Words of the results of a method that only reads.
const RESULT_WORDS: usize = TimerNowResults::FIXED_BYTES / size_of::<u64>();
const _: () = assert!(TimerNowResults::FIXED_BYTES == TimerResolutionResults::FIXED_BYTES);

/// The results of a method that only reads: `now` or `resolution`, which have the same shape.
#[inline(always)] // On the shortest way that a call can take.
pub(crate) fn read(clock: &Clock, method: u16) -> Option<[u64; RESULT_WORDS]> {
    let mut words = [[0; 8]; RESULT_WORDS];
    let out = words.as_flattened_mut();
    let encoded = match method {
        Timer::NOW => TimerNowResults { nanoseconds: clock.now() }.encode(out),
        Timer::RESOLUTION => TimerResolutionResults { nanoseconds: resolution(clock) }.encode(out),
        _ => return None,
    };
    encoded.is_ok().then(|| words.map(u64::from_le_bytes))
}

#[cold]
fn resolution(clock: &Clock) -> u64 {
    NANOSECONDS_PER_SECOND.div_ceil(clock.time_stamp_frequency().max(1)).max(1)
}

impl Kernel {
    pub(crate) fn call_timer(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Timer::SLEEP => self.sleep(call),
            method => {
                let words = read(&self.clock, method).ok_or(Transport::NoSuchMethod)?;
                self.reply_words(call.origin, &words)
            }
        }
    }

    fn sleep(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let TimerSleepParams { deadline } = TimerSleepParams::decode(message.bytes()).map_err(malformed)?;
        if deadline <= self.clock.now() {
            return Ok(Answer::DONE);
        }
        let operation = self.park(call.origin, Parked::Sleep, Some(call.capability.node))?;
        self.timers.set(Kernel::operation_timer(operation.index()), deadline);
        Ok(Answer::Parked)
    }
}
