//! From everything that is known at the end of a run to its typed end.
//!
//! Called by `supervisor`; calls `log` to keep what was said when capOS itself failed.
//!
//! Invariant: success needs both the outcome frame and QEMU's exit through isa-debug-exit with the code for it. Whatever
//! else ends QEMU is a failure of capOS, with the log kept and its path told.

use std::process::ExitStatus;

use capos_abi::host::{EXIT_FINISHED, EXIT_IMAGE_REFUSED, EXIT_KERNEL_FAILED};

use crate::outcome::{Ending, one_line};
use crate::qemu::log::{Log, keep};
use crate::qemu::output::OutputError;
use crate::qemu::supervisor::{Facts, Stop};

/// What QEMU says when KVM cannot go on; it then hangs, paused.
const STUCK_WORDS: [&str; 3] = ["KVM internal error", "kvm run failed", "emulation failure"];

/// How the kernel's last words begin when it gives up.
const FAILURE_WORDS: [&str; 3] = ["[kernel] panic: ", "[kernel] exception ", "[kernel] cannot start: "];

/// QEMU's exit status for a value written to isa-debug-exit.
#[must_use]
pub(crate) const fn exit_code(value: u8) -> i32 {
    (value as i32) << 1 | 1
}

/// True if QEMU has said that it cannot go on.
pub(crate) fn is_stuck(messages: &Log) -> bool {
    let text = messages.text();
    STUCK_WORDS.iter().any(|word| text.contains(word))
}

/// How the run ended.
pub(crate) fn of(facts: Facts<'_>) -> Ending {
    match &facts.stop {
        Some(Stop::Signal(signal)) => Ending::Signal(*signal),
        Some(Stop::Deadline) => timed_out(&facts),
        Some(Stop::Output(OutputError::Closed)) => Ending::OutputClosed,
        Some(Stop::Output(OutputError::Refused(reason))) => Ending::OutputFailed(reason.clone()),
        Some(Stop::Output(OutputError::Malformed(reason))) => {
            failed(&facts, &format!("the machine's output makes no sense: {reason}"))
        }
        Some(Stop::Silent) => failed(&facts, "the machine was started and says nothing"),
        Some(Stop::NoPowerOff) => failed(&facts, "the machine told the outcome and did not power off"),
        Some(Stop::Stuck) => failed(&facts, &stuck_text(&facts)),
        None => by_exit(&facts),
    }
}

/// The machine's own word, if it got as far as telling it.
fn timed_out(facts: &Facts<'_>) -> Ending {
    match &facts.outcome {
        Some(Ok(outcome)) => Ending::Machine { outcome: outcome.clone(), is_instance: facts.is_instance },
        _ => Ending::Deadline,
    }
}

fn by_exit(facts: &Facts<'_>) -> Ending {
    let code = facts.exit.and_then(|exit| exit.code());
    match (code, &facts.outcome) {
        (Some(code), Some(Ok(outcome))) if code == exit_code(EXIT_FINISHED) => {
            Ending::Machine { outcome: outcome.clone(), is_instance: facts.is_instance }
        }
        (Some(code), _) if code == exit_code(EXIT_IMAGE_REFUSED) => Ending::Refused(
            last_words(facts).unwrap_or_else(|| "the machine refused the boot image".to_owned()),
        ),
        (_, Some(Err(reason))) => failed(facts, &format!("the machine's outcome makes no sense: {reason}")),
        (Some(code), _) if code == exit_code(EXIT_KERNEL_FAILED) => {
            let line = kernel_failure(&facts.kernel_log.text())
                .or_else(|| last_words(facts))
                .unwrap_or_else(|| "the kernel failed".to_owned());
            failed(facts, &line)
        }
        (Some(1), None) => {
            let line = facts.emulator_log.last_line().unwrap_or_else(|| "it does not say why".to_owned());
            failed(facts, &format!("QEMU cannot run the machine: {line}"))
        }
        _ => failed(facts, &unforeseen_text(facts)),
    }
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

/// A failure of capOS: keeps what was said and names the file.
fn failed(facts: &Facts<'_>, reason: &str) -> Ending {
    let exit = facts.exit.map_or_else(|| "unknown".to_owned(), exit_text);
    let text = format!(
        "capos: {reason}\nQEMU ended: {exit}\noutcome: {:?}\ncommand: {}\n\n--- QEMU ---\n{}\n--- kernel ---\n{}",
        facts.outcome,
        facts.command_line,
        facts.emulator_log.text(),
        facts.kernel_log.text(),
    );
    match keep(&text) {
        Ok(path) => Ending::Failed(format!("{reason}; the log is {}", path.display())),
        Err(error) => Ending::Failed(format!("{reason}; {error}")),
    }
}
