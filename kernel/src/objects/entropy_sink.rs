//! EntropySink: what a random device's driver feeds the generator with.
//!
//! Specified by `schema/interfaces/entropy_sink.capnp`. Called by `invoke`. The generator's account says when it is seeded.
//!
//! Invariant: at most one operation waits for the seed, so telling it is one step.

use crate::calls::message::malformed;
use crate::calls::operation::Parked;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::log::log_line;
use capos_abi::error::{CallError, Exception, Transport};
use capos_schema::entropy_sink::{EntropySink, EntropySinkFeedParams};

/// Bytes of one feed at most: a key's worth of a slow source many times over, and a bounded number of blocks.
const FEED_BYTES_MAX: usize = 512;
/// Bytes of the message around them at most.
const MESSAGE_BYTES: usize = FEED_BYTES_MAX + 64;

impl Kernel {
    pub(crate) fn call_entropy_sink(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            EntropySink::FEED => self.feed(call),
            EntropySink::SEEDED => self.wait_for_seed(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn feed(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<MESSAGE_BYTES>(call)?;
        let EntropySinkFeedParams { bytes } =
            EntropySinkFeedParams::decode(message.bytes()).map_err(malformed)?;
        if bytes.is_empty() || bytes.len() > FEED_BYTES_MAX {
            return Err(Exception::InvalidArgument.into());
        }
        let was_seeded = self.generator.is_seeded();
        self.generator.feed_counted(bytes);
        self.is_fed = true;
        if self.generator.is_seeded() {
            if !was_seeded {
                log_line!("random generator: seeded");
            }
            if let Some(waiting) = self.seed_waiter.first().and_then(|index| self.operations.id_at(index)) {
                self.complete_operation(waiting, Ok((0, 0)));
            }
        }
        Ok(Answer::DONE)
    }

    fn wait_for_seed(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        if self.is_fed && self.generator.is_seeded() {
            return Ok(Answer::DONE);
        }
        if !self.seed_waiter.is_empty() {
            return Err(Exception::Overloaded.into());
        }
        self.park(call.origin, Parked::Seed, Some(call.capability.node))?;
        Ok(Answer::Parked)
    }
}
