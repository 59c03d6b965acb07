//! From everything that is known at the end of a run to its typed end.
//!
//! Called by `supervisor`; calls `log` to keep what was said when capOS itself failed.
//!
//! Invariant: success needs QEMU's exit through isa-debug-exit with the code for it, and the outcome: the console's frame or, if
//! there is none, the last line of the kernel's log. Whatever
//! else ends QEMU is a failure of capOS, with the log kept and its path told.

use std::process::ExitStatus;

use capos_abi::host::{EXIT_FINISHED, EXIT_IMAGE_REFUSED, EXIT_KERNEL_FAILED};
use capos_abi::outcome::OutcomeKind;

use crate::outcome::{Ending, MachineOutcome, STATUS_FAILED, machine_status, one_line};
use crate::qemu::control;
use crate::qemu::log::keep;
use crate::qemu::output::OutputError;
use crate::qemu::supervisor::Facts;
use crate::qemu::watch::Stop;
use crate::symbols::Explanation;

/// What QEMU says when KVM cannot go on; it then hangs, paused.
const STUCK_WORDS: [&str; 3] = ["KVM internal error", "kvm run failed", "emulation failure"];

/// Calls that are shown at most; the log has all of them.
const CALLS_MAX: usize = 16;

/// How the kernel's last words begin when it gives up.
const FAILURE_WORDS: [&str; 3] = ["[kernel] panic: ", "[kernel] exception ", "[kernel] cannot start: "];

/// QEMU's exit status for a value written to isa-debug-exit.
#[must_use]
pub(crate) const fn exit_code(value: u8) -> i32 {
    (value as i32) << 1 | 1
}

/// Bytes that the longest of [`STUCK_WORDS`] has, and some more.
pub(crate) const STUCK_WORD_BYTES: usize = 32;

/// True if QEMU says here that it cannot go on.
pub(crate) fn is_stuck(messages: &[u8]) -> bool {
    let text = String::from_utf8_lossy(messages);
    STUCK_WORDS.iter().any(|word| text.contains(word))
}

/// How the run ended.
pub(crate) fn of(facts: Facts<'_>) -> Ending {
    match &facts.stop {
        Some(Stop::Signal(signal)) => Ending::Signal(*signal),
        Some(Stop::Deadline) => timed_out(&facts).unwrap_or(Ending::Deadline),
        Some(Stop::Unread) => timed_out(&facts).unwrap_or(Ending::Unread),
        Some(Stop::Output(OutputError::Closed)) => Ending::OutputClosed,
        Some(Stop::Output(OutputError::Refused(reason))) => Ending::OutputFailed(reason.clone()),
        Some(Stop::Output(OutputError::Malformed(reason))) => {
            failed(&facts, &format!("the machine's output makes no sense: {reason}"))
        }
        Some(Stop::Silent) => failed(&facts, "the machine was started and says nothing"),
        Some(Stop::NoPowerOff) if matches!(facts.outcome, Some(Err(_))) => by_exit(&facts),
        Some(Stop::NoPowerOff) if facts.outcome.is_none() => {
            failed(&facts, "QEMU closed all that it could be heard by, and goes on")
        }
        Some(Stop::NoPowerOff) => failed(&facts, "the machine told the outcome and did not power off"),
        Some(Stop::Stuck) => failed(&facts, &stuck_text(&facts)),
        None => by_exit(&facts),
    }
}

/// The machine's own word about the time limit, if it got as far as telling it. Another end has not come to pass: its output
/// is not out.
fn timed_out(facts: &Facts<'_>) -> Option<Ending> {
    match &facts.outcome {
        Some(Ok(outcome)) if outcome.kind == OutcomeKind::WallClock => Some(machine(outcome.clone(), facts)),
        _ => None,
    }
}

/// What the machine told. If that is a failure of capOS, the log is kept.
fn machine(outcome: MachineOutcome, facts: &Facts<'_>) -> Ending {
    let is_instance = facts.is_instance;
    let is_failure = machine_status(&outcome, is_instance) == STATUS_FAILED;
    let log = is_failure.then(|| keep_log(facts, &outcome.report));
    Ending::Machine { outcome, is_instance, log }
}

/// What the addresses in the log mean.
pub(crate) fn explanations(facts: &Facts<'_>) -> Vec<Explanation> {
    facts.symbols.load().explain(&facts.kernel_log.text())
}

/// The outcome; of a fault that nobody reported on, with what the kernel's log says about it and where in the program it
/// was.
fn with_fault(outcome: &MachineOutcome, facts: &Facts<'_>) -> MachineOutcome {
    let mut outcome = outcome.clone();
    if outcome.kind != OutcomeKind::Fault || !outcome.report.trim().is_empty() {
        return outcome;
    }
    let text = facts.kernel_log.text();
    let subject = format!(" \"{}\": fault ", outcome.process);
    let Some((line, fault)) = text.lines().rev().find_map(|line| Some((line, line.split_once(&subject)?.1)))
    else {
        return outcome;
    };
    let explanation = facts.symbols.load().explain(line).pop();
    let place = explanation.filter(|it| !it.places.is_empty());
    let place = place.map(|it| format!(" in {}", it.places.join(", inlined into ")));
    outcome.report = format!("{fault}{}", place.unwrap_or_default());
    outcome
}

fn by_exit(facts: &Facts<'_>) -> Ending {
    let code = facts.exit.and_then(|exit| exit.code());
    match (code, &facts.outcome) {
        (Some(code), Some(Ok(outcome))) if code == exit_code(EXIT_FINISHED) => {
            machine(with_fault(outcome, facts), facts)
        }
        (Some(code), None) if code == exit_code(EXIT_FINISHED) => {
            match control::of_log(&facts.kernel_log.text()) {
                Some(outcome) => machine(with_fault(&outcome, facts), facts),
                None => failed(facts, &unforeseen_text(facts)),
            }
        }
        (Some(code), _) if code == exit_code(EXIT_IMAGE_REFUSED) => Ending::Refused(
            last_words(facts).unwrap_or_else(|| "the machine refused the boot image".to_owned()),
        ),
        (_, Some(Err(reason))) => failed(facts, &format!("the machine's outcome makes no sense: {reason}")),
        (Some(code), _) if code == exit_code(EXIT_KERNEL_FAILED) => kernel_failed(facts),
        (Some(1), None) => {
            let line = facts.emulator_log.last_line().unwrap_or_else(|| "it does not say why".to_owned());
            failed(facts, &format!("QEMU cannot run the machine: {line}"))
        }
        _ => failed(facts, &unforeseen_text(facts)),
    }
}

fn kernel_failed(facts: &Facts<'_>) -> Ending {
    let reason = kernel_failure(&facts.kernel_log.text())
        .or_else(|| last_words(facts))
        .unwrap_or_else(|| "the kernel failed".to_owned());
    let explanations = explanations(facts);
    let calls = explanations.iter().filter(|it| it.is_kernel).flat_map(|it| it.places.clone());
    let calls = calls.take(CALLS_MAX).collect();
    let absence = explanations.iter().find(|it| it.is_kernel).and_then(|it| it.absence.clone());
    Ending::KernelFailed { reason: kept(facts, &reason), calls, absence }
}

/// Why the kernel gave up: the line that says so, which the calls that led to it follow. A panic has its reason on the
/// next line.
fn kernel_failure(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let is_failure = |line: &&str| FAILURE_WORDS.iter().any(|word| line.starts_with(word));
    let at = lines.iter().rposition(is_failure)?;
    let reason = lines.get(at + 1).filter(|line| lines[at].ends_with(':') && !line.starts_with("[kernel]"));
    let text = format!("{} {}", lines[at].trim_start_matches("[kernel] "), reason.unwrap_or(&""));
    Some(one_line(&text))
}

/// The last line of the log without the name of who says it.
fn last_words(facts: &Facts<'_>) -> Option<String> {
    let line = facts.kernel_log.last_line()?;
    let words = ["[boot] refused: ", "[boot] ", "[kernel] refused: ", "[kernel] "]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix));
    Some(words.unwrap_or(&line).to_owned())
}

fn unforeseen_text(facts: &Facts<'_>) -> String {
    let how = match facts.exit {
        Some(exit) => exit_text(exit),
        None => "in an unknown way".to_owned(),
    };
    let told = match facts.outcome {
        Some(_) => "after it told the outcome",
        None => "before the machine told an outcome",
    };
    match facts.kernel_log.last_line().or_else(|| facts.emulator_log.last_line()) {
        Some(line) => format!("QEMU ended {how} {told}; the last words were: {line}"),
        None => format!("QEMU ended {how} {told}, without a word"),
    }
}

fn exit_text(exit: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in an unknown way".to_owned(),
    }
}

fn stuck_text(facts: &Facts<'_>) -> String {
    let line = STUCK_WORDS.iter().find_map(|word| facts.emulator_log.last_line_with(word));
    let reason = line.unwrap_or_else(|| "it hangs".to_owned());
    format!("the accelerator cannot run the machine ({reason}); --accel tcg can")
}

/// A failure of capOS.
fn failed(facts: &Facts<'_>, reason: &str) -> Ending {
    Ending::Failed(kept(facts, reason))
}

/// The reason with the name of the file in which what was said is kept.
fn kept(facts: &Facts<'_>, reason: &str) -> String {
    format!("{reason}; {}", keep_log(facts, reason))
}

/// Keeps what was said in a file; returns where that is, in words.
fn keep_log(facts: &Facts<'_>, reason: &str) -> String {
    let places: String = explanations(facts)
        .iter()
        .map(|it| (it, it.absence.iter().chain(&it.places).cloned().collect::<Vec<_>>()))
        .map(|(it, told)| format!("{}\n    {}\n", it.line, told.join("\n    ")))
        .collect();
    let exit = facts.exit.map_or_else(|| "unknown".to_owned(), exit_text);
    let text = format!(
        "capos: {reason}\nQEMU ended: {exit}\noutcome: {:?}\ncommand: {}\n\n--- QEMU ---\n{}\n--- kernel ---\n{}\n\
         --- addresses ---\n{places}",
        facts.outcome,
        facts.command_line,
        facts.emulator_log.text(),
        facts.kernel_log.text(),
    );
    match keep(&text) {
        Ok(path) => format!("the log is {}", path.display()),
        Err(error) => error.to_string(),
    }
}
