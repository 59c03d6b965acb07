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
use capos_schema::timer::{Timer, TimerNowResults, TimerResolutionResults, TimerSleepParams};

/// Ticks per second above which the clock's smallest step is one nanosecond.
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

impl Kernel {
    pub(crate) fn call_timer(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Timer::NOW => {
                let nanoseconds = self.clock.now();
                self.reply(call.origin, |out| TimerNowResults { nanoseconds }.encode(out))
            }
            Timer::SLEEP => self.sleep(call),
            Timer::RESOLUTION => {
                let nanoseconds =
                    NANOSECONDS_PER_SECOND.div_ceil(self.clock.time_stamp_frequency().max(1)).max(1);
                self.reply(call.origin, |out| TimerResolutionResults { nanoseconds }.encode(out))
            }
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn sleep(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let TimerSleepParams { deadline } = TimerSleepParams::decode(message.bytes()).map_err(malformed)?;
        if deadline <= self.clock.now() {
            return Ok(Answer::DONE);
        }
        let operation = self.park(call.origin, Parked::Sleep)?;
        self.timers.set(Kernel::operation_timer(operation.index()), deadline);
        Ok(Answer::Parked)
    }
}
