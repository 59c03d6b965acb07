//! How a run ended, and what the host says about it: the exit status, one line on standard error, one JSON object.
//!
//! Made by `qemu` from the outcome frame, QEMU's exit and what happened on the host; used by `command::run`.
//!
//! Invariant: only the guest's own codes 0 to 125 pass through silently; every other end has its status from the table in
//! [`Ending::status`] and a line of its own, except a closed pipe, after which a local program says nothing either.

use capos_abi::outcome::OutcomeKind;
use serde::Serialize;

/// The greatest exit code of a guest that is handed on as it is.
pub const GUEST_CODE_MAX: u32 = 125;
/// The request was refused before anything ran.
pub const STATUS_REFUSED: u8 = 126;
/// capOS itself failed.
pub const STATUS_FAILED: u8 = 127;

const SIGNAL_INTERRUPT: i32 = 2;
const SIGNAL_PIPE: u8 = 13;

/// What the machine said about the end of its main process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineOutcome {
    /// The kind of end.
    pub kind: OutcomeKind,
    /// The exit code.
    pub code: u32,
    /// The process whose end it is.
    pub process: String,
    /// What it said, or what was said about it.
    pub report: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The machine told the end of its main process and powered off.
    Machine {
        /// What it told.
        outcome: MachineOutcome,
        /// True if the main process is the adapter with a wasm module, whose faults are capOS's own.
        is_instance: bool,
        /// Where the log is kept, in words, if the end is a failure of capOS.
        log: Option<String>,
    },
    /// The request, the manifest or the image was refused.
    Refused(String),
    /// capOS failed.
    Failed(String),
    /// The kernel failed: the reason, and the calls that led to it.
    KernelFailed {
        /// What it said, and where the log is.
        reason: String,
        /// Functions with lines, the innermost first; empty where they are unknown.
        calls: Vec<String>,
        /// Why they are unknown, if that is for want of symbols.
        absence: Option<String>,
    },
    /// The host's own deadline passed after the machine's.
    Deadline,
    /// The time limit passed while nobody took the output.
    Unread,
    /// A signal ended the command.
    Signal(i32),
    /// Nobody reads standard output or standard error any more.
    OutputClosed,
    /// Output could not be written; the reason.
    OutputFailed(String),
}

/// The object that `--outcome FILE` receives.
#[derive(Debug, Serialize)]
struct Document<'a> {
    kind: &'a str,
    code: u32,
    process: &'a str,
    report: String,
    status: u8,
}

impl Ending {
    /// The exit status of the command.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Ending::Machine { outcome, is_instance, .. } => machine_status(outcome, *is_instance),
            Ending::Refused(_) => STATUS_REFUSED,
            Ending::Failed(_) | Ending::KernelFailed { .. } => STATUS_FAILED,
            Ending::Deadline | Ending::Unread => 142,
            Ending::Signal(SIGNAL_INTERRUPT) => 130,
            Ending::Signal(signal) => u8::try_from(128 + signal).unwrap_or(143),
            Ending::OutputClosed => 128 + SIGNAL_PIPE,
            Ending::OutputFailed(_) => 1,
        }
    }

    /// The word for it in the line and in the JSON object.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Machine { outcome, .. } => outcome.kind.word(),
            Ending::Refused(_) => OutcomeKind::Invalid.word(),
            Ending::Failed(_) | Ending::KernelFailed { .. } => OutcomeKind::Internal.word(),
            Ending::Deadline | Ending::Unread => OutcomeKind::WallClock.word(),
            Ending::Signal(SIGNAL_INTERRUPT) => "interrupted",
            Ending::Signal(_) => OutcomeKind::Killed.word(),
            Ending::OutputClosed | Ending::OutputFailed(_) => "output closed",
        }
    }

    /// The lines for standard error, without the leading `capos: ` and without line feeds: one, none after an ordinary end,
    /// one for each thing that is wrong with a manifest, and one for each call that led to a failure of the kernel.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Some(text) = self.text() else { return Vec::new() };
        let word = self.word();
        match self {
            Ending::Refused(_) => text.lines().map(|line| format!("{word}: {}", one_line(line))).collect(),
            Ending::KernelFailed { calls, absence, .. } => {
                let calls = calls.iter().map(|call| format!("  in {}", one_line(call)));
                let absence = absence.iter().map(|reason| format!("  no names for its addresses: {reason}"));
                std::iter::once(format!("{word}: {}", one_line(&text))).chain(calls).chain(absence).collect()
            }
            _ => vec![format!("{word}: {}", one_line(&text))],
        }
    }

    fn text(&self) -> Option<String> {
        Some(match self {
            Ending::Machine { outcome, log, .. } => {
                if outcome.kind == OutcomeKind::Exited && outcome.code <= GUEST_CODE_MAX {
                    return None;
                }
                let log = log.as_ref().map(|log| format!("; {log}")).unwrap_or_default();
                format!("{}{log}", machine_text(outcome))
            }
            Ending::Refused(reason) | Ending::Failed(reason) | Ending::KernelFailed { reason, .. } => {
                reason.clone()
            }
            Ending::Deadline => "the time limit passed, and the machine did not end by itself".to_owned(),
            Ending::Unread => {
                "the time limit passed, and nobody takes the output; --timeout sets it".to_owned()
            }
            Ending::Signal(SIGNAL_INTERRUPT) => "ended by Ctrl-C".to_owned(),
            Ending::Signal(signal) => format!("ended by signal {signal}"),
            Ending::OutputClosed => return None,
            Ending::OutputFailed(reason) => reason.clone(),
        })
    }

    /// The JSON object, one line.
    #[must_use]
    pub fn json(&self) -> String {
        let (code, process, report) = match self {
            Ending::Machine { outcome, .. } => {
                (outcome.code, outcome.process.as_str(), outcome.report.clone())
            }
            Ending::OutputClosed => (0, "", "the reader of the output is gone".to_owned()),
            other => (0, "", other.text().unwrap_or_default().trim().to_owned()),
        };
        let document = Document { kind: self.word(), code, process, report, status: self.status() };
        serde_json::to_string(&document).unwrap_or_default()
    }
}

/// The status for what a machine told.
pub(crate) fn machine_status(outcome: &MachineOutcome, is_instance: bool) -> u8 {
    match outcome.kind {
        OutcomeKind::Exited => match u8::try_from(outcome.code) {
            Ok(code) if outcome.code <= GUEST_CODE_MAX => code,
            _ => 1,
        },
        OutcomeKind::Invalid => STATUS_REFUSED,
        OutcomeKind::Internal => STATUS_FAILED,
        OutcomeKind::Fault if is_instance => STATUS_FAILED,
        OutcomeKind::Trap | OutcomeKind::Fault => 134,
        OutcomeKind::Memory => 137,
        OutcomeKind::WallClock => 142,
        OutcomeKind::Killed | OutcomeKind::Revoked => 143,
        OutcomeKind::Fuel => 152,
        OutcomeKind::Output => 153,
    }
}

fn machine_text(outcome: &MachineOutcome) -> String {
    if outcome.kind == OutcomeKind::Exited {
        return format!("with code {}, which is above {GUEST_CODE_MAX}: the exit status is 1", outcome.code);
    }
    if outcome.kind == OutcomeKind::Fault {
        let report = outcome.report.trim();
        let what = if report.is_empty() { "a processor exception" } else { report };
        return format!("process \"{}\": {what}", outcome.process);
    }
    if !outcome.report.trim().is_empty() {
        return outcome.report.trim().to_owned();
    }
    let text = match outcome.kind {
        OutcomeKind::Trap => "a wasm trap",
        OutcomeKind::Fuel => "the fuel is used up; --fuel sets the limit",
        OutcomeKind::Memory => "the memory limit is reached; --memory sets it",
        OutcomeKind::WallClock => "the time limit passed; --timeout sets it",
        OutcomeKind::Output => "the limit of output bytes is reached",
        OutcomeKind::Killed => "ended by the holder of its process handle",
        OutcomeKind::Revoked => "a capability that it needs was revoked",
        OutcomeKind::Invalid => "refused before it started",
        OutcomeKind::Internal | OutcomeKind::Exited | OutcomeKind::Fault => "capOS failed without a report",
    };
    text.to_owned()
}

/// The text with line feeds as ` | ` and every other control character escaped, so that a guest's report stays one line
/// and cannot steer a terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '\n' => line.push_str(" | "),
            '\t' => line.push(' '),
            control if control.is_control() => line.extend(control.escape_default()),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(kind: OutcomeKind, code: u32) -> Ending {
        let outcome = MachineOutcome { kind, code, process: "app".into(), report: String::new() };
        Ending::Machine { outcome, is_instance: true, log: None }
    }

    #[test]
    fn every_end_has_its_status() {
        use OutcomeKind::*;
        let table = [
            (machine(Exited, 0), 0),
            (machine(Exited, 125), 125),
            (machine(Exited, 126), 1),
            (machine(Exited, u32::MAX), 1),
            (machine(Invalid, 0), 126),
            (machine(Internal, 0), 127),
            (machine(Fault, 0), 127),
            (machine(Trap, 0), 134),
            (machine(Memory, 0), 137),
            (machine(WallClock, 0), 142),
            (machine(Killed, 0), 143),
            (machine(Revoked, 0), 143),
            (machine(Fuel, 0), 152),
            (machine(Output, 0), 153),
            (Ending::Signal(2), 130),
            (Ending::Signal(15), 143),
            (Ending::Deadline, 142),
            (Ending::Unread, 142),
            (Ending::OutputClosed, 141),
        ];
        for (ending, status) in table {
            assert_eq!(ending.status(), status, "{ending:?}");
            assert_eq!(ending.lines().is_empty(), [0, 125, 141].contains(&status), "{ending:?}");
        }
    }

    #[test]
    fn an_end_without_a_report_has_words() {
        let line = |kind| machine(kind, 0).lines().concat();
        assert_eq!(line(OutcomeKind::Invalid), "invalid: refused before it started");
        assert_eq!(line(OutcomeKind::Internal), "internal: capOS failed without a report");
        assert_eq!(line(OutcomeKind::Trap), "trap: a wasm trap");
        let closed = Ending::OutputClosed.json();
        assert!(
            closed.contains("\"report\":\"the reader of the output is gone\",\"status\":141"),
            "{closed}"
        );
    }

    #[test]
    fn a_fault_of_a_native_program_is_its_own() {
        let outcome = MachineOutcome {
            kind: OutcomeKind::Fault,
            code: 0,
            process: "app".into(),
            report: String::new(),
        };
        assert_eq!(Ending::Machine { outcome, is_instance: false, log: None }.status(), 134);
    }

    #[test]
    fn a_report_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\nb\x1b[31m\r\0c\n"), "a | b\\u{1b}[31m\\r\\u{0}c");
    }

    #[test]
    fn json_is_escaped() {
        let ending = Ending::Failed("say \"x\"\n".into());
        assert_eq!(
            ending.json(),
            r#"{"kind":"internal","code":0,"process":"","report":"say \"x\"","status":127}"#
        );
    }
}
