//! One run of the real system under the instruction clock, with the counting plugin in QEMU.
//!
//! Called by whoever measures; calls `capos`, and once `cargo` for the programs and `cc` for the plugin.
//!
//! Invariant: every run has the same machine: microvm, one processor, the CPU below, seed and start of time fixed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// QEMU's CPU: without the fast string instructions, of which the instruction clock counts every round.
pub(crate) const CPU: &str = "max,-erms,-fsrm";
/// One instruction takes one nanosecond, and the time of day is always the same.
pub(crate) const CLOCK: [&str; 4] = ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"];

/// What is needed to run.
pub(crate) struct Machine {
    root: PathBuf,
    plugin: PathBuf,
}

/// A place in the code whose executions are looked for.
pub(crate) struct Mark {
    /// [`TALLY`] for a place of which nothing but the number of executions matters.
    pub(crate) name: &'static str,
    pub(crate) address: u64,
    /// The code that stands there: programs share addresses.
    pub(crate) code: Vec<u8>,
}

/// The name of places whose executions are counted together.
pub(crate) const TALLY: &str = "tally";

/// What was counted when a mark was reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counters {
    /// Instructions.
    pub(crate) total: u64,
    /// Those of ring 0.
    pub(crate) ring_0: u64,
    /// Executions of the places named [`TALLY`].
    pub(crate) tallies: u64,
    pub(crate) system_calls: u64,
    /// Loads of CR3.
    pub(crate) switches: u64,
    /// Returns from faults and interrupts.
    pub(crate) returns: u64,
}

/// What a run gave.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    /// The kernel's log.
    pub(crate) log: String,
    /// Instructions from reset to the end.
    pub(crate) total: u64,
    /// Marks in the order in which they were reached, with the instructions before each.
    pub(crate) marks: Vec<(String, u64)>,
    /// What else was counted at each mark, in the same order.
    pub(crate) counters: Vec<(String, Counters)>,
    /// Instructions from each mark to the next one of ring 3, in the same order.
    pub(crate) entries: Vec<(String, u64)>,
    /// Instructions of the longest stretches of ring 0 with interrupts off, the longest first.
    pub(crate) stretches: Vec<u64>,
    /// Executions of instructions that leave or change worlds, by name, if asked for.
    pub(crate) events: Vec<(String, u64)>,
    /// Blocks of code, if asked for.
    pub(crate) blocks: Vec<Block>,
}

/// A block of code that was executed.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) address: u64,
    /// Instructions of all its executions.
    pub(crate) count: u64,
    /// The code that it begins with.
    pub(crate) code: Vec<u8>,
}

impl Machine {
    /// Builds the counted programs and the plugin.
    ///
    /// # Errors
    /// A compiler is missing, or refuses.
    pub(crate) fn new(root: &Path) -> Result<Machine, String> {
        let plugin = root.join("target/bench/count.so");
        fs::create_dir_all(root.join("target/bench")).map_err(|error| format!("target/bench: {error}"))?;
        let mut guests = Command::new("cargo");
        guests.args(["build", "--quiet", "--locked", "--package", "capos-cli", "--package", "capos-image"]);
        output(guests.args(["--features", "capos-image/tests"]).current_dir(root))?;
        let mut kernels = Command::new("cargo");
        kernels.args(["run", "--quiet", "--locked", "--package", "capos-demos", "--", "bench/kernels"]);
        output(kernels.current_dir(root))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-shared", "-fPIC", "-o"]).arg(&plugin);
        output(compiler.arg(root.join("bench/profile/count.c")))?;
        Ok(Machine { root: root.to_path_buf(), plugin })
    }

    /// Runs what `capos run` takes: a manifest or a module, named from the root, with options and arguments.
    ///
    /// # Errors
    /// `capos` fails, or QEMU takes no plugins.
    pub(crate) fn run(&self, words: &[&str], marks: &[Mark], is_profile: bool) -> Result<Ran, String> {
        let (out, log) = (self.root.join("target/bench/counted"), self.root.join("target/bench/log"));
        // What an earlier run left is not this run's.
        let _ = fs::remove_file(&out);
        let _ = fs::remove_file(&log);
        let mut plugin = format!("file={},out={},stretches=on", self.plugin.display(), out.display());
        if is_profile {
            plugin.push_str(",profile=on");
        }
        for mark in marks {
            let code: String = mark.code.iter().map(|byte| format!("{byte:02x}")).collect();
            let kind = if mark.name == TALLY { TALLY } else { "mark" };
            plugin.push_str(&format!(",{kind}={}:{:x}:{code}", mark.name, mark.address));
        }
        let mut command = Command::new(self.root.join("target/debug/capos"));
        command.current_dir(&self.root).args(["run", "--accel", "tcg", "--cpu", CPU, "--seed", "1"]);
        for argument in CLOCK.into_iter().chain(["-plugin", &plugin]) {
            command.arg(format!("--qemu-argument={argument}"));
        }
        let stdout = output(command.arg("--kernel-log").arg(&log).args(words))?;
        let text = fs::read_to_string(&out)
            .map_err(|error| format!("{}: {error}: does this QEMU take plugins?", out.display()))?;
        let log = fs::read(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let ran =
            parse(&text, stdout).ok_or_else(|| format!("{}: not what the plugin writes", out.display()))?;
        Ok(Ran { log: String::from_utf8_lossy(&log).into_owned(), ..ran })
    }
}

fn parse(text: &str, stdout: String) -> Option<Ran> {
    let mut ran = Ran { stdout, ..Ran::default() };
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["total", count] => ran.total = count.parse().ok()?,
            ["mark", name, counted @ ..] => {
                let counters = counters(counted)?;
                ran.marks.push(((*name).to_owned(), counters.total));
                ran.counters.push(((*name).to_owned(), counters));
            }
            ["entry", name, count] => ran.entries.push(((*name).to_owned(), count.parse().ok()?)),
            ["stretch", count, _, _, _] => ran.stretches.push(count.parse().ok()?),
            ["event", name, times] => ran.events.push(((*name).to_owned(), times.parse().ok()?)),
            ["block", address, size, times, code] => {
                let address = u64::from_str_radix(address, 16).ok()?;
                let count = size.parse::<u64>().ok()? * times.parse::<u64>().ok()?;
                ran.blocks.push(Block { address, count, code: bytes(code)? });
            }
            _ => return None,
        }
    }
    Some(ran)
}

/// What the plugin writes of a mark.
fn counters(words: &[&str]) -> Option<Counters> {
    let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
    let &[total, ring_0, tallies, system_calls, switches, returns] = numbers?.as_slice() else { return None };
    Some(Counters { total, ring_0, tallies, system_calls, switches, returns })
}

/// The bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Standard output of a command that succeeds.
///
/// # Errors
/// It cannot be started, or fails: with its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plugin_writes_is_understood_and_nothing_else() {
        let ran = parse(
            "total 9\nmark init 4 3 2 1 0 5\nentry init 3\nstretch 8 1 a b\nevent call 7\nblock ffff 2 3 90c3\n",
            String::new(),
        )
        .unwrap();
        assert_eq!((ran.total, ran.marks), (9, vec![("init".to_owned(), 4)]));
        let counted = Counters { total: 4, ring_0: 3, tallies: 2, system_calls: 1, switches: 0, returns: 5 };
        assert_eq!(ran.counters, [("init".to_owned(), counted)]);
        assert_eq!(ran.entries, [("init".to_owned(), 3)]);
        assert_eq!(ran.stretches, [8]);
        assert_eq!(ran.events, [("call".to_owned(), 7)]);
        assert_eq!(ran.blocks, [Block { address: 0xffff, count: 6, code: vec![0x90, 0xc3] }]);
        for text in [
            "block ffff 2 3\n",
            "block ffff 2 3 9\n",
            "block x 2 3 90\n",
            "total -1\n",
            "mark x 1\n",
            "noise\n",
        ] {
            assert!(parse(text, String::new()).is_none(), "{text}");
        }
    }
}
