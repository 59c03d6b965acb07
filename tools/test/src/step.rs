//! Running one step: its command under a hard limit, its output into a log, its line on the terminal.
//!
//! Called by `main` for each step; calls `count`.
//!
//! Invariant: when a step is over nothing of its process group runs any more, and its log is complete.

use crate::count::{self, Count};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a step must do to pass.
pub(crate) enum Expect {
    /// End with status 0.
    Success,
    /// End with status 0, having run at least this many tests.
    Tests(u64),
    /// End with status 0 and print exactly this on standard output.
    Output(&'static str),
    /// End with another status than 0, having said this on standard error.
    Refusal(&'static str),
}

/// One step.
pub(crate) struct Step {
    /// What it is called in the report and in the name of its log.
    pub(crate) name: String,
    /// The program, its arguments, and `NAME=VALUE` words before them for its environment.
    pub(crate) command: Vec<String>,
    /// The folder, from the root, that it runs in.
    pub(crate) folder: &'static str,
    /// Seconds after which it is ended and has failed.
    pub(crate) limit: u64,
    /// What it must do.
    pub(crate) expect: Expect,
    /// The beginning of lines of its output that the report shows although it passed; empty for none.
    pub(crate) show: &'static str,
}

/// What a step left behind.
struct Ended {
    status: Option<ExitStatus>,
    stdout: String,
    stderr: String,
}

/// Runs a step and prints its line, and the end of its log if it failed.
pub(crate) fn run(root: &Path, step: &Step) -> Count {
    let start = Instant::now();
    let result = execute(root, step);
    let seconds = start.elapsed().as_secs_f64();
    let (count, complaint) = match &result {
        Ok(ended) => judge(step, ended),
        Err(message) => (Count { passed: 0, failed: 1 }, Some(message.clone())),
    };
    let tests =
        if count.passed + count.failed > 1 { format!("  {} tests", count.passed) } else { String::new() };
    match complaint {
        None => println!("test {:24} ok     {seconds:7.1} s{tests}", step.name),
        Some(complaint) => {
            println!("test {:24} FAILED {seconds:7.1} s  {complaint}", step.name);
            println!("    {}", step.command.join(" "));
            if let Ok(ended) = &result {
                show_end("stdout", &ended.stdout);
                show_end("stderr", &ended.stderr);
            }
        }
    }
    if let Ok(ended) = &result {
        let shown = |line: &&str| !step.show.is_empty() && line.contains(step.show);
        ended.stdout.lines().filter(shown).for_each(|line| println!("    {line}"));
    }
    count
}

/// What the step counts for, and what is wrong with it.
fn judge(step: &Step, ended: &Ended) -> (Count, Option<String>) {
    let counted = count::in_output(&ended.stdout) + count::in_output(&ended.stderr);
    let complaint = match (&step.expect, ended.status) {
        (_, None) => Some(format!("did not end within {} s", step.limit)),
        (Expect::Refusal(text), Some(status)) => {
            let is_refused = !status.success() && ended.stderr.contains(text);
            (!is_refused).then(|| format!("ended with {status}; it should fail and say \"{text}\""))
        }
        (_, Some(status)) if !status.success() => Some(format!("ended with {status}")),
        (Expect::Tests(least), _) if counted.passed < *least => {
            Some(format!("ran {} tests; at least {least} are there", counted.passed))
        }
        (Expect::Output(text), _) if ended.stdout != *text => {
            Some(format!("printed {:?} instead of {text:?}", ended.stdout))
        }
        _ if counted.failed > 0 && matches!(step.expect, Expect::Tests(_)) => {
            Some("has failed tests".to_owned())
        }
        _ => None,
    };
    let own = Count { passed: u64::from(complaint.is_none()), failed: u64::from(complaint.is_some()) };
    match step.expect {
        // The step itself is not one more test, unless it failed and none of its tests says so.
        Expect::Tests(_) if complaint.is_none() || counted.failed > 0 => (counted, complaint),
        Expect::Tests(_) => (counted + own, complaint),
        _ => (own, complaint),
    }
}

/// Runs the command to its end or to the limit.
fn execute(root: &Path, step: &Step) -> Result<Ended, String> {
    let logs = root.join("target/test-logs");
    fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let (stdout, stderr) = (log(&logs, step, "stdout"), log(&logs, step, "stderr"));
    let mut child = start(root, step, &stdout, &stderr)?;
    let status = wait(&mut child, step.limit)?;
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let read = |path: &Path| read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(Ended { status, stdout: read(&stdout)?, stderr: read(&stderr)? })
}

fn log(logs: &Path, step: &Step, stream: &str) -> PathBuf {
    logs.join(format!("{}.{stream}", step.name.replace([' ', '/'], "-")))
}

/// Starts the command as the leader of a process group of its own.
fn start(root: &Path, step: &Step, stdout: &Path, stderr: &Path) -> Result<Child, String> {
    let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
    let is_variable =
        |word: &&String| word.split_once('=').is_some_and(|(name, _)| !name.contains(['/', '-']));
    let variables: Vec<&String> = step.command.iter().take_while(is_variable).collect();
    let mut words = step.command.iter().skip(variables.len());
    let program = words.next().ok_or("a step without a command")?;
    let mut command = Command::new(program);
    command.args(words).envs(variables.iter().filter_map(|word| word.split_once('=')));
    for (name, _) in std::env::vars_os() {
        // What cargo and make tell this program is not meant for the programs of a step.
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_")
            || ["CARGO_MANIFEST_DIR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"].contains(&&*name)
        {
            command.env_remove(name);
        }
    }
    command.current_dir(root.join(step.folder)).process_group(0);
    command.stdin(Stdio::null()).stdout(create(stdout)?).stderr(create(stderr)?);
    command.spawn().map_err(|error| format!("{program}: {error}"))
}

/// The status, or `None` if the limit was reached; then the whole group is killed.
fn wait(child: &mut Child, limit: u64) -> Result<Option<ExitStatus>, String> {
    let deadline = Instant::now() + Duration::from_secs(limit);
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            if let Some(group) = group {
                // A group that is already gone needs no killing.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait().map_err(|error| error.to_string())?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Prints the last lines of an output.
fn show_end(name: &str, text: &str) {
    const LINES: usize = 40;
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    if first > 0 {
        println!("    ({name}: {first} lines before these are in the log)");
    }
    lines.iter().skip(first).for_each(|line| println!("    {name}: {line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(expect: Expect, script: &str, limit: u64) -> Step {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Step { name: format!("unit-{}", count_of(script)), command, folder: "", limit, expect, show: "" }
    }

    /// A name for a script's log, so that tests that run at the same time do not share one.
    fn count_of(script: &str) -> usize {
        script.bytes().map(usize::from).sum()
    }

    fn counts(expect: Expect, script: &str) -> (u64, u64) {
        let folder = std::env::temp_dir().join(format!("capos-test-{}", std::process::id()));
        let step = step(expect, script, 30);
        let (count, _) = judge(&step, &execute(&folder, &step).expect("the shell runs"));
        (count.passed, count.failed)
    }

    #[test]
    fn a_status_decides() {
        assert_eq!(counts(Expect::Success, "exit 0"), (1, 0));
        assert_eq!(counts(Expect::Success, "exit 3"), (0, 1));
    }

    #[test]
    fn output_must_be_exact() {
        assert_eq!(counts(Expect::Output("a\n"), "echo a"), (1, 0));
        assert_eq!(counts(Expect::Output("a\n"), "echo a; echo b"), (0, 1));
    }

    #[test]
    fn a_refusal_needs_status_and_words() {
        assert_eq!(counts(Expect::Refusal("no"), "echo no >&2; exit 1"), (1, 0));
        assert_eq!(counts(Expect::Refusal("no"), "echo no >&2; true"), (0, 1));
        assert_eq!(counts(Expect::Refusal("no"), "exit 2"), (0, 1));
    }

    #[test]
    fn tests_are_counted_and_a_step_without_them_fails() {
        assert_eq!(counts(Expect::Tests(2), "echo 2 passed, 0 failed"), (2, 0));
        assert_eq!(counts(Expect::Tests(2), "echo 2 passed, 1 failed; exit 1"), (2, 1));
        assert_eq!(counts(Expect::Tests(2), "echo 1 passed, 0 failed"), (1, 1));
        assert_eq!(counts(Expect::Tests(1), "exit 0;"), (0, 1));
        assert_eq!(counts(Expect::Tests(1), "echo 5 passed, 0 failed; exit 9"), (5, 1));
    }

    #[test]
    fn a_step_that_hangs_is_ended() {
        let folder = std::env::temp_dir().join(format!("capos-test-{}", std::process::id()));
        let step = step(Expect::Success, "sleep 600 & wait", 0);
        let ended = execute(&folder, &step).expect("the shell runs");
        assert!(ended.status.is_none());
        assert_eq!(judge(&step, &ended).0, Count { passed: 0, failed: 1 });
    }

    #[test]
    fn variables_stand_before_the_program() {
        let mut step = step(Expect::Output("v\n"), "echo $name", 30);
        step.command.insert(0, "name=v".to_owned());
        step.name = "unit-variables".to_owned();
        let folder = std::env::temp_dir().join(format!("capos-test-{}", std::process::id()));
        assert!(judge(&step, &execute(&folder, &step).expect("the shell runs")).1.is_none());
    }
}
