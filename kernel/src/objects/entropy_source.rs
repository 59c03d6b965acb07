//! EntropySource: random bytes from the kernel's one generator.
//!
//! Specified by `schema/interfaces/entropy_source.capnp`. Called by `invoke`; the generator is fed at start-up.
//!
//! Invariant: no byte leaves before the generator was seeded by sources that count. One entry makes at most a page.

use crate::calls::message::{Filling, SMALL, STEP_BYTES, malformed};
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::message::DATA_BYTES_MAX;
use capos_schema::entropy_source::{EntropySource, EntropySourceReadParams, EntropySourceReadResults};

impl Kernel {
    pub(crate) fn call_entropy_source(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        if call.origin.submission.method != EntropySource::READ {
            return Err(Transport::NoSuchMethod.into());
        }
        let message = self.parameters::<SMALL>(call)?;
        let EntropySourceReadParams { length } =
            EntropySourceReadParams::decode(message.bytes()).map_err(malformed)?;
        let length = length as usize;
        if length > DATA_BYTES_MAX {
            return Err(Exception::InvalidArgument.into());
        }
        if !self.generator.is_seeded() {
            return Err(Exception::Overloaded.into());
        }
        let encode_head =
            |length: usize, out: &mut [u8]| EntropySourceReadResults { bytes: &[] }.encode_head(length, out);
        if length <= STEP_BYTES {
            return self.reply_with_data(call.origin, length, encode_head, make);
        }
        let filling = self.begin_data(call.origin, length, encode_head)?;
        self.continue_reading(filling)
    }

    /// Makes the next step of a read that is too long for one entry.
    ///
    /// # Errors
    /// "bad address", "out of memory": the reader has taken its buffer away meanwhile.
    pub(crate) fn continue_reading(&mut self, filling: Filling) -> Result<Answer, CallError> {
        self.fill_step(filling, make)
    }
}

fn make(kernel: &mut Kernel, _: usize, bytes: &mut [u8]) -> Result<(), CallError> {
    kernel.generator.fill(bytes).map_err(|_| Exception::Overloaded.into())
}
