//! Machine: the end of the run.
//!
//! Specified by `schema/interfaces/machine.capnp`. Called by `invoke`, and by the end of init if nobody finished before.
//!
//! Invariant: the last line of the log says how the run ended, and then the machine stops. The host reads it when nobody told
//! it the outcome over the console.

use crate::calls::message::malformed;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::log::log_line;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::host::EXIT_FINISHED;
use capos_abi::outcome::{OutcomeKind, REPORT_BYTES_MAX};
use capos_kernel_hal::{frames, power};
use capos_schema::machine::{Machine, MachineFinishParams};

/// Bytes of the message at most: a report, a name, the structures around them.
const MESSAGE_BYTES: usize = REPORT_BYTES_MAX + 256;

impl Kernel {
    pub(crate) fn call_machine(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        if call.origin.submission.method != Machine::FINISH {
            return Err(Transport::NoSuchMethod.into());
        }
        let message = self.parameters::<MESSAGE_BYTES>(call)?;
        let params = MachineFinishParams::decode(message.bytes()).map_err(malformed)?;
        if OutcomeKind::from_number(params.kind).is_none() || params.report.len() > REPORT_BYTES_MAX {
            return Err(Exception::InvalidArgument.into());
        }
        self.finish(&params)
    }

    /// Writes the outcome into the log and ends the machine.
    pub(crate) fn finish(&mut self, params: &MachineFinishParams<'_>) -> ! {
        let ahead = frames::refusal_ahead();
        if ahead > 0 {
            log_line!("fail-allocation: the run ended {ahead} before the allocation to refuse");
        }
        let kind = OutcomeKind::from_number(params.kind).map_or("unknown", OutcomeKind::word);
        let (process, report) = (params.process.escape_debug(), params.report.escape_debug());
        log_line!(
            "{}{kind}({}) by process \"{process}\": {report}",
            capos_abi::host::MACHINE_LINE,
            params.code
        );
        power::exit(EXIT_FINISHED)
    }
}
