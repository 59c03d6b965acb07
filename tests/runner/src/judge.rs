//! Runs one run of a case and compares what it showed with what it must show.
//!
//! Called by `main` for cases and by the checks; calls `launch`.
//!
//! Invariant: every difference is told, not only the first.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::{Expectation, Run};
use crate::ground::Ground;
use crate::launch::{PANIC, Shown, capos, last_lines, tail};

/// Runs `file` as `run` says on `ground`, in `folder`.
///
/// # Errors
/// It did not come to an end by itself.
pub(crate) fn show(ground: &Ground, folder: &Path, file: &Path, run: &Run) -> Result<Shown, String> {
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let log = scratch.path().join("kernel.log");
    let outcome = scratch.path().join("outcome.json");
    let mut command = ground.command(&ground.capos);
    command.args(arguments(ground, run, file, &log, &outcome)).current_dir(folder);
    command.env("PATH", ground.path(&run.without, scratch.path())?);
    let mut shown = capos(&mut command, run.stdin.as_deref(), run.time_limit()).map_err(|problem| {
        let text = fs::read(&log).map(|text| String::from_utf8_lossy(&text).into_owned());
        text.map_or(problem.clone(), |text| format!("{problem}\nkernel's log: {}", last_lines(&text)))
    })?;
    shown.log = fs::read(&log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    shown.outcome = fs::read(&outcome).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Ok(shown)
}

/// The command line of one run.
fn arguments(ground: &Ground, run: &Run, file: &Path, log: &Path, outcome: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["run".into()];
    words.extend(ground.options());
    let mut option = |name: &str, value: OsString| {
        words.push(name.into());
        words.push(value);
    };
    option("--kernel-log", log.into());
    option("--outcome", outcome.into());
    if let Some(cpu) = &run.cpu {
        option("--cpu", cpu.into());
    }
    if let Some(seed) = run.seed {
        option("--seed", seed.to_string().into());
    }
    for value in &run.kernel {
        option("--kernel-option", value.into());
    }
    for argument in &run.qemu {
        words.push(format!("--qemu-argument={argument}").into());
    }
    words.extend(run.options.iter().map(OsString::from));
    words.push(PathBuf::from(file).into());
    words.extend(run.arguments.iter().map(OsString::from));
    words
}

/// Compares.
///
/// # Errors
/// Every difference, one a line, with the ends of both streams.
pub(crate) fn compare(shown: &Shown, expected: &Expectation) -> Result<(), String> {
    let mut differences = Vec::new();
    if shown.status != expected.status {
        differences.push(format!("status {}, expected {}", shown.status, expected.status));
    }
    match &expected.stdout_bytes {
        Some(bytes) => differences.extend(difference(&shown.stdout, bytes)),
        None => stream(
            "stdout",
            &shown.stdout_text(),
            expected.stdout.as_deref(),
            &mut differences,
            expected.stdout_has.as_deref(),
            whole_line,
        ),
    }
    stream(
        "stderr",
        &shown.stderr_text(),
        expected.stderr.as_deref(),
        &mut differences,
        expected.stderr_has.as_deref(),
        part_of_line,
    );
    for (key, value) in &expected.outcome {
        let found = shown.outcome.as_ref().and_then(|outcome| outcome.get(key));
        if found != Some(value) {
            differences.push(format!("outcome {key} is {found:?}, expected {value}"));
        }
    }
    log(&shown.log, expected, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    differences.push(tail(shown));
    differences.push(format!("kernel's log:\n{}", last_lines(&shown.log)));
    Err(differences.join("\n"))
}

/// Where two outputs that should be equal byte for byte differ first.
fn difference(found: &[u8], expected: &[u8]) -> Option<String> {
    if found == expected {
        return None;
    }
    let at = found.iter().zip(expected).position(|(one, other)| one != other);
    let at = at.unwrap_or(found.len().min(expected.len()));
    Some(format!(
        "stdout has {} bytes, expected {}; the first difference is at {at}",
        found.len(),
        expected.len()
    ))
}

fn whole_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line == wanted)
}

fn part_of_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.contains(wanted))
}

fn stream(
    name: &str,
    found: &str,
    exact: Option<&str>,
    differences: &mut Vec<String>,
    parts: Option<&[String]>,
    has: fn(&str, &str) -> bool,
) {
    let Some(parts) = parts else {
        let exact = exact.unwrap_or_default();
        if found != exact {
            differences.push(format!("{name} {found:?}\n  expected {exact:?}"));
        }
        return;
    };
    for part in parts.iter().filter(|part| !has(found, part)) {
        differences.push(format!("{name} lacks {part:?}"));
    }
}

fn log(found: &str, expected: &Expectation, differences: &mut Vec<String>) {
    for part in expected.log_has.iter().filter(|part| !part_of_line(found, part)) {
        differences.push(format!("the kernel's log lacks {part:?}"));
    }
    let never = std::iter::once(PANIC);
    for part in expected.log_lacks.iter().map(String::as_str).chain(never) {
        if part_of_line(found, part) {
            differences.push(format!("the kernel's log has {part:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: i32, stdout: &str, log: &str) -> Shown {
        Shown {
            status,
            stdout: stdout.into(),
            stderr: Vec::new(),
            log: log.to_owned(),
            outcome: Some(serde_json::json!({"kind": "exited", "code": 3})),
        }
    }

    #[test]
    fn equal_is_equal() {
        let expected = Expectation {
            status: 3,
            stdout_has: Some(vec!["two".to_owned()]),
            outcome: [("code".to_owned(), serde_json::json!(3))].into(),
            log_has: vec!["cpl 3".to_owned()],
            ..Expectation::default()
        };
        compare(&shown(3, "one\ntwo\n", "[kernel] process 2, cpl 3\n"), &expected).unwrap();
    }

    #[test]
    fn each_difference_is_told() {
        let expected = Expectation {
            stdout: Some("x".to_owned()),
            outcome: [("kind".to_owned(), serde_json::json!("trap"))].into(),
            log_has: vec!["cpl 3".to_owned()],
            ..Expectation::default()
        };
        let told = compare(&shown(1, "x\n", "[kernel] panic: at\n"), &expected).unwrap_err();
        for part in [
            "status 1, expected 0",
            "stdout \"x\\n\"",
            "outcome kind",
            "lacks \"cpl 3\"",
            "has \"[kernel] panic\"",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn bytes_are_compared_one_by_one() {
        assert_eq!(difference(b"a\xff", b"a\xff"), None);
        assert!(difference(b"a\xff", b"a\xfe").is_some_and(|told| told.ends_with("at 1")));
        assert!(difference(b"ab", b"abc").is_some_and(|told| told.contains("2 bytes, expected 3")));
    }

    #[test]
    fn a_line_is_not_a_part_of_a_line() {
        let expected = Expectation { stdout_has: Some(vec!["tw".to_owned()]), ..Expectation::default() };
        assert!(compare(&shown(0, "two\n", ""), &expected).is_err());
    }
}
