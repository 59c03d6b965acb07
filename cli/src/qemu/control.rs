//! The outcome of a run, from the control port.
//!
//! One thread of `readers` runs [`read`] and then [`end`].
//!
//! Invariant: only a whole frame with a kind of outcome that `capos-abi` knows is an outcome, and only if nothing follows.

use std::io::Read;

use capos_abi::host::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use capos_abi::outcome::OutcomeKind;
use capos_schema::machine::MachineFinishParams;

use crate::outcome::MachineOutcome;
use crate::qemu::output::fill;

/// Reads one frame. `None` if the channel ends before there is a whole one.
///
/// # Errors
/// What is wrong with the frame.
pub fn read(mut source: impl Read) -> Result<Option<MachineOutcome>, String> {
    let mut header = [0; FRAME_HEADER_BYTES];
    if fill(&mut source, &mut header) < FRAME_HEADER_BYTES {
        return Ok(None);
    }
    let header = FrameHeader::decode(&header)
        .filter(|it| it.kind == FrameKind::Outcome)
        .ok_or_else(|| format!("frame header {header:02x?} on the control port"))?;
    let mut message = vec![0; header.length as usize];
    if fill(&mut source, &mut message) < message.len() {
        return Ok(None);
    }
    decode(&message).map(Some)
}

/// Waits for the end of the channel after the outcome.
///
/// # Errors
/// Something follows the outcome: a machine has one.
pub fn end(mut source: impl Read) -> Result<(), String> {
    match fill(&mut source, &mut [0]) {
        0 => Ok(()),
        _ => Err("something follows the outcome on the control port".to_owned()),
    }
}

fn decode(message: &[u8]) -> Result<MachineOutcome, String> {
    let parameters =
        MachineFinishParams::decode(message).map_err(|error| format!("the outcome message: {error:?}"))?;
    let kind = OutcomeKind::from_number(parameters.kind)
        .ok_or_else(|| format!("outcome kind {} is unknown", parameters.kind))?;
    Ok(MachineOutcome {
        kind,
        code: parameters.code,
        process: parameters.process.to_owned(),
        report: parameters.report.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind, parameters: &MachineFinishParams<'_>) -> Vec<u8> {
        let mut message = vec![0; parameters.encoded_bytes()];
        let length = parameters.encode(&mut message).unwrap();
        let mut bytes = FrameHeader { stream: 0, kind, length: length as u32 }.encode().to_vec();
        bytes.extend_from_slice(&message[..length]);
        bytes
    }

    #[test]
    fn an_outcome_comes_through() {
        let parameters = MachineFinishParams { kind: 1, code: 7, process: "app", report: "unreachable" };
        let outcome = read(&frame(FrameKind::Outcome, &parameters)[..]).unwrap().unwrap();
        assert_eq!(
            outcome,
            MachineOutcome {
                kind: OutcomeKind::Trap,
                code: 7,
                process: "app".into(),
                report: "unreachable".into()
            }
        );
    }

    #[test]
    fn a_machine_has_one_outcome() {
        assert_eq!(end(&b""[..]), Ok(()));
        assert_eq!(end(&b"\0"[..]), Err("something follows the outcome on the control port".to_owned()));
    }

    #[test]
    fn half_a_frame_is_none_and_nonsense_is_an_error() {
        let parameters = MachineFinishParams { kind: 0, code: 0, process: "app", report: "" };
        let whole = frame(FrameKind::Outcome, &parameters);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Ok(None), "{length}");
        }
        assert!(read(&frame(FrameKind::Data, &parameters)[..]).is_err());
        let unknown = MachineFinishParams { kind: 999, ..parameters };
        assert!(read(&frame(FrameKind::Outcome, &unknown)[..]).is_err());
    }
}
