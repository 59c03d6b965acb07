//! Machine: the end of the run.
//!
//! Specified by `schema/interfaces/machine.capnp`. Called by `invoke`, and by the end of init if nobody finished before.
//!
//! Invariant: the outcome leaves after every byte that was accepted before it, and then the machine stops.

use crate::calls::message::malformed;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::log::log_line;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::host::{EXIT_FINISHED, FRAME_HEADER_BYTES, FrameHeader, FrameKind};
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

    /// Delivers the outcome to the host and ends the machine.
    pub(crate) fn finish(&mut self, params: &MachineFinishParams<'_>) -> ! {
        self.drain_console();
        let mut bytes = [0; FRAME_HEADER_BYTES + MESSAGE_BYTES];
        let length = bytes.get_mut(FRAME_HEADER_BYTES..).and_then(|out| params.encode(out).ok()).unwrap_or(0);
        let header = FrameHeader { stream: 0, kind: FrameKind::Outcome, length: length as u32 };
        if let Some(place) = bytes.first_chunk_mut() {
            *place = header.encode();
        }
        if let (Some(device), Some(port)) = (self.console.device.as_mut(), self.console.control) {
            let frame = bytes.get(..FRAME_HEADER_BYTES + length).unwrap_or(&[]);
            if device.send(port, frame, &[]).is_ok() {
                while !device.poll(port) {
                    core::hint::spin_loop();
                }
            }
        }
        let ahead = frames::refusal_ahead();
        if ahead > 0 {
            log_line!("fail-allocation: the run ended {ahead} before the allocation to refuse");
        }
        let kind = OutcomeKind::from_number(params.kind).map_or("unknown", OutcomeKind::word);
        log_line!("machine: {kind}({}) by process \"{}\"", params.code, params.process.escape_debug());
        power::exit(EXIT_FINISHED)
    }

    /// Waits until the device has taken every write that was accepted. There is nothing else left to do, so this wait, unlike
    /// any other, is a loop; the host ends a machine whose bytes it does not take.
    fn drain_console(&mut self) {
        while self.is_console_pending() {
            self.look_at_console();
            core::hint::spin_loop();
        }
    }
}
