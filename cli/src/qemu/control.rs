//! The outcome of a run: from the control port, or from the kernel's log.
//!
//! One thread of `readers` runs [`read`] and then [`end`]; `verdict` calls [`of_log`] when nothing came.
//!
//! Invariant: only a whole frame with a kind of outcome that `capos-abi` knows is an outcome, and only if nothing follows.

use std::io::Read;

use capos_abi::host::{FRAME_END, FRAME_HEADER_BYTES, FrameHeader, FrameKind, MACHINE_LINE};
use capos_abi::outcome::OutcomeKind;
use capos_schema::console::ConsoleFinishParams;

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
    let mut end = FRAME_END;
    if fill(&mut source, &mut message) < message.len() || fill(&mut source, &mut end) < end.len() {
        return Ok(None);
    }
    if end != FRAME_END {
        return Err(format!("{end:02x?} at the end of a frame on the control port"));
    }
    decode(&message).map(Some)
}

/// The outcome as the kernel's log has it, for a run whose console could not tell it: the last line that says so.
pub fn of_log(log: &str) -> Option<MachineOutcome> {
    let lines = log.lines().rev().filter_map(|line| line.strip_prefix("[kernel] "));
    let line = lines.filter_map(|line| line.strip_prefix(MACHINE_LINE)).next()?;
    let (word, rest) = line.split_once('(')?;
    let (code, rest) = rest.split_once(") by process \"")?;
    let at = rest.match_indices("\": ").map(|(at, _)| at).find(|at| !is_escaped(&rest[..*at]))?;
    let kind = OutcomeKind::ALL.iter().copied().find(|kind| kind.word() == word)?;
    let (process, report) = (unescaped(&rest[..at])?, unescaped(&rest[at + 3..])?);
    Some(MachineOutcome { kind, code: code.parse().ok()?, process, report })
}

/// True if what follows belongs to a backslash.
fn is_escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// What `escape_debug` was given.
fn unescaped(text: &str) -> Option<String> {
    let mut characters = text.chars();
    let mut found = String::new();
    while let Some(character) = characters.next() {
        found.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let (number, rest) = characters.as_str().strip_prefix('{')?.split_once('}')?;
                    characters = rest.chars();
                    char::from_u32(u32::from_str_radix(number, 16).ok()?)?
                }
                other => other,
            },
            other => other,
        });
    }
    Some(found)
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
        ConsoleFinishParams::decode(message).map_err(|error| format!("the outcome message: {error:?}"))?;
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

    fn frame(kind: FrameKind, parameters: &ConsoleFinishParams<'_>) -> Vec<u8> {
        let mut message = vec![0; parameters.encoded_bytes()];
        let length = parameters.encode(&mut message).unwrap();
        let mut bytes = FrameHeader { stream: 0, kind, length: length as u32 }.encode().to_vec();
        bytes.extend_from_slice(&message[..length]);
        bytes.extend_from_slice(&FRAME_END);
        bytes
    }

    #[test]
    fn an_outcome_comes_through() {
        let parameters = ConsoleFinishParams { kind: 1, code: 7, process: "app", report: "unreachable" };
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
    fn the_log_tells_what_the_console_cannot() {
        let (process, report) = ("a\": \\x", "the driver \"c\" is lost:\n\u{1b}é");
        let line = |process: &str, report: &str| {
            format!(
                "[kernel] {MACHINE_LINE}wall clock(7) by process \"{}\": {}\n",
                process.escape_debug(),
                report.escape_debug()
            )
        };
        let told =
            of_log(&format!("{}[kernel] more\n{}", line("x", "first"), line(process, report))).unwrap();
        let (process, report) = (process.to_owned(), report.to_owned());
        assert_eq!(told, MachineOutcome { kind: OutcomeKind::WallClock, code: 7, process, report });
        let not_told = [
            "",
            "[kernel] process 2 says machine: exited(0) by process \"x\": \n",
            "[kernel] machine: gone(0) by process \"x\": \n",
            "[kernel] machine: exited(-1) by process \"x\": \n",
            "[kernel] machine: exited(0) by process \"x\n",
            "[kernel] machine: exited(0) by process \"x\": \\u{110000}\n",
        ];
        for log in not_told {
            assert_eq!(of_log(log), None, "{log}");
        }
    }

    #[test]
    fn half_a_frame_is_none_and_nonsense_is_an_error() {
        let parameters = ConsoleFinishParams { kind: 0, code: 0, process: "app", report: "" };
        let whole = frame(FrameKind::Outcome, &parameters);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Ok(None), "{length}");
        }
        assert!(read(&frame(FrameKind::Data, &parameters)[..]).is_err());
        let mut cut = whole.clone();
        *cut.last_mut().unwrap() = 0;
        assert!(read(&cut[..]).is_err());
        let unknown = ConsoleFinishParams { kind: 999, ..parameters };
        assert!(read(&frame(FrameKind::Outcome, &unknown)[..]).is_err());
    }
}
