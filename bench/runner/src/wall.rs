//! How long a whole `capos run` takes by the clock on the wall, beside an empty guest: for people, never gated.
//!
//! Called by `main` for `make bench-wall`, with the command as `make dist` ships it; what is recorded stands on the page.
//!
//! Invariant: runs of both kinds take turns, so that what else the host does hits both; a run that fails fails the verb.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::machine::output;

/// Where the record is kept, from the root.
pub(crate) const RECORD: &str = "bench/wall.toml";
const MODULE: &str = "target/capos/demos/wasi-hello-c.wasm";
const RUNS: usize = 25;
/// What the empty guest's last word makes of QEMU's status (boot/probe).
const EMPTY_STATUS: i32 = (0x2a << 1) | 1;
const HEAD: &str = "# `capos run hello.wasm` by the clock on the wall. Written by `make bench-wall OPTIONS=--record`; not edited.\n\n";

/// The file.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wall {
    /// What it ran on.
    pub(crate) conditions: BTreeMap<String, String>,
    /// Milliseconds of the whole `capos run`, and of QEMU with a guest that ends at once.
    pub(crate) capos: Times,
    pub(crate) empty: Times,
}

/// Of all runs of a kind, in milliseconds.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    pub(crate) min: f64,
    pub(crate) median: f64,
}

impl Wall {
    /// Reads what is recorded; `None` if nothing is.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn read(root: &Path) -> Result<Option<Wall>, String> {
        match fs::read_to_string(root.join(RECORD)) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(|error| format!("{RECORD}: {error}")),
            Err(_) => Ok(None),
        }
    }
}

impl Times {
    fn of(mut samples: Vec<f64>) -> Times {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).map_or(f64::NAN, |sample| (sample * 10.0).round() / 10.0);
        Times { min: at(0), median: at(samples.len() / 2) }
    }
}

/// Times both, prints, and with `is_recorded` writes the file.
///
/// # Errors
/// Something is not built, or a run fails.
pub(crate) fn measure(root: &Path, is_recorded: bool) -> Result<(), String> {
    let version = env!("CARGO_PKG_VERSION");
    let tree = root.join(format!("target/dist/capos-{version}-x86_64-linux"));
    let command = tree.join("bin/capos");
    let run = |words: &[&str]| {
        let mut run = Command::new(&command);
        run.arg("run").args(["--accel", "tcg"]).args(words).arg(root.join(MODULE)).stdin(Stdio::null());
        run
    };
    let line = output(&mut run(&["--print-qemu"]))?;
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "-kernel").collect();
    let (program, arguments) = words.split_first().ok_or("capos printed no command line")?;
    let empty = || {
        let mut qemu = Command::new(program);
        qemu.args(arguments).arg("-kernel").arg(tree.join("lib/capos/probe.pvh"));
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        qemu
    };
    let (mut whole, mut floor) = (Vec::new(), Vec::new());
    for turn in 0..=RUNS {
        let (with, without) = (timed(&mut run(&[]), 0)?, timed(&mut empty(), EMPTY_STATUS)?);
        // The first turn fills the host's caches.
        if turn > 0 {
            whole.push(with);
            floor.push(without);
        }
    }
    let wall = Wall { conditions: conditions()?, capos: Times::of(whole), empty: Times::of(floor) };
    let text = toml::to_string(&wall).map_err(|error| error.to_string())?;
    print!("{text}");
    println!("# above the empty guest: {:.1} ms (least), {:.1} ms (median)", wall.above().0, wall.above().1);
    if is_recorded {
        fs::write(root.join(RECORD), format!("{HEAD}{text}"))
            .map_err(|error| format!("{RECORD}: {error}"))?;
    }
    Ok(())
}

impl Wall {
    /// What capOS takes above the empty guest: least and median.
    pub(crate) fn above(&self) -> (f64, f64) {
        (self.capos.min - self.empty.min, self.capos.median - self.empty.median)
    }
}

/// Milliseconds until a command has ended with a status.
fn timed(command: &mut Command, status: i32) -> Result<f64, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let ended = command.stdout(Stdio::null()).status().map_err(|error| format!("{program}: {error}"))?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    if ended.code() == Some(status) { Ok(milliseconds) } else { Err(format!("{program}: {ended}")) }
}

fn conditions() -> Result<BTreeMap<String, String>, String> {
    let qemu = output(Command::new("qemu-system-x86_64").arg("--version"))?;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let conditions = [
        ("accelerator", "tcg".to_owned()),
        ("machine", "microvm".to_owned()),
        ("host", format!("{count} x {}", model.map_or("unknown processor", |(_, name)| name.trim()))),
        ("load", load.split(' ').next().unwrap_or_default().to_owned()),
        ("qemu", qemu.lines().next().unwrap_or_default().to_owned()),
        ("runs", RUNS.to_string()),
    ];
    Ok(conditions.map(|(name, what)| (name.to_owned(), what)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_least_and_the_middle() {
        let times = Times::of(vec![3.04, 1.0, 9.0, 2.0, 5.0]);
        assert_eq!(times, Times { min: 1.0, median: 3.0 });
    }

    #[test]
    fn another_status_is_an_error() {
        assert!(timed(Command::new("sh").args(["-c", "exit 3"]), 3).is_ok());
        assert!(timed(Command::new("sh").args(["-c", "exit 3"]), 0).is_err());
    }
}
