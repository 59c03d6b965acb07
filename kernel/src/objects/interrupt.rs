//! Interrupt: the interrupt of one device, to its driver.
//!
//! Specified by `schema/interfaces/interrupt.capnp`. Called by `invoke`; the state is `devices`'.
//!
//! Invariant: a line is unmasked by its driver's acknowledgement alone.

use crate::calls::message::{SMALL, malformed};
use crate::calls::operation::Parked;
use crate::calls::{Answer, Call};
use crate::devices::Session;
use crate::kernel::Kernel;
use capos_abi::error::{CallError, Exception, Transport};
use capos_schema::interrupt::{Interrupt, InterruptBindParams};

impl Kernel {
    pub(crate) fn call_interrupt(&mut self, call: &Call<'_>, session: Session) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Interrupt::WAIT => self.wait_for_interrupt(call, session),
            Interrupt::ACKNOWLEDGE => {
                self.acknowledge_interrupt(session)?;
                Ok(Answer::DONE)
            }
            Interrupt::BIND => self.bind(call, session),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn wait_for_interrupt(&mut self, call: &Call<'_>, session: Session) -> Result<Answer, CallError> {
        if self.has_interrupt_wait(session) {
            return Err(Exception::Overloaded.into());
        }
        if self.take_interrupt(session)? {
            return Ok(Answer::DONE);
        }
        self.park(call.origin, Parked::Interrupt(session), Some(call.capability.node))?;
        Ok(Answer::Parked)
    }

    fn bind(&mut self, call: &Call<'_>, session: Session) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let InterruptBindParams { notification, bits } =
            InterruptBindParams::decode(message.bytes()).map_err(malformed)?;
        let notification = self.sent_notification(call, notification, bits)?;
        self.bind_interrupt(session, notification, bits)?;
        Ok(Answer::DONE)
    }
}
