//! A case file: one thing to boot, and what each run of it must show.
//!
//! Read by `discover`; the shape is told in `tests/README.md`. Calls nobody.
//!
//! Invariant: a field that the shape does not have is an error, so a misspelt expectation cannot pass unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// What a case file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// One line: what it shows.
    pub(crate) summary: String,
    /// A program to run, relative to the file's folder.
    pub(crate) guest: Option<PathBuf>,
    /// A manifest to boot, relative to the file's folder.
    pub(crate) manifest: Option<PathBuf>,
    /// The runs, in order.
    #[serde(rename = "run")]
    pub(crate) runs: Vec<Run>,
}

/// One run of `capos run`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Distinct within the case.
    pub(crate) name: String,
    /// Options of `capos run`.
    #[serde(default)]
    pub(crate) options: Vec<String>,
    /// The guest's arguments.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// QEMU's CPU model.
    pub(crate) cpu: Option<String>,
    /// QEMU's seed.
    pub(crate) seed: Option<u64>,
    /// More arguments of QEMU.
    #[serde(default)]
    pub(crate) qemu: Vec<String>,
    /// Devices that QEMU's command line shall not have, by the beginning of their names.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Kernel options, `key=value`.
    #[serde(default)]
    pub(crate) kernel: Vec<String>,
    /// Bytes for standard input; closed, if there are none.
    pub(crate) stdin: Option<String>,
    /// Seconds after which the run is ended and has failed.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: u64,
    /// What must come out.
    #[serde(default)]
    pub(crate) expect: Expectation,
}

/// What a run must show. The default: status 0 and not a byte on either stream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectation {
    /// Exit status of `capos`.
    #[serde(default)]
    pub(crate) status: i32,
    /// Standard output, exact.
    pub(crate) stdout: Option<String>,
    /// Instead: a file with its exact bytes, relative to the case's folder.
    pub(crate) stdout_file: Option<PathBuf>,
    /// How often the file's bytes come out one behind the other; once, if nothing is said.
    pub(crate) stdout_times: Option<usize>,
    /// What `stdout_file` and `stdout_times` say, once [`Case::load`] has read it.
    #[serde(skip)]
    pub(crate) stdout_bytes: Option<Vec<u8>>,
    /// Instead: lines that must be in it.
    pub(crate) stdout_has: Option<Vec<String>>,
    /// Standard error, exact.
    pub(crate) stderr: Option<String>,
    /// Instead: parts of lines that must be in it.
    pub(crate) stderr_has: Option<Vec<String>>,
    /// Keys of the outcome file with their values.
    #[serde(default)]
    pub(crate) outcome: BTreeMap<String, serde_json::Value>,
    /// Parts of lines that must be in the kernel's log.
    #[serde(default)]
    pub(crate) log_has: Vec<String>,
    /// Parts of lines that must not be in it.
    #[serde(default)]
    pub(crate) log_lacks: Vec<String>,
}

const fn default_timeout() -> u64 {
    60
}

impl Case {
    /// Reads the text of a case file.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(crate) fn parse(text: &str) -> Result<Case, String> {
        let case: Case = toml::from_str(text).map_err(|error| error.to_string())?;
        if case.guest.is_some() == case.manifest.is_some() {
            return Err("a case names either a guest or a manifest".to_owned());
        }
        if case.runs.is_empty() {
            return Err("a case needs at least one [[run]]".to_owned());
        }
        for (index, run) in case.runs.iter().enumerate() {
            if case.runs[..index].iter().any(|other| other.name == run.name) {
                return Err(format!("two runs are called \"{}\"", run.name));
            }
            run.expect.check()?;
        }
        Ok(case)
    }
}

impl Case {
    /// Reads the files that the case names; `folder` is the one it lies in.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn load(&mut self, folder: &Path) -> Result<(), String> {
        for expect in self.runs.iter_mut().map(|run| &mut run.expect) {
            if let Some(file) = &expect.stdout_file {
                let bytes = std::fs::read(folder.join(file))
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                expect.stdout_bytes = Some(bytes.repeat(expect.stdout_times.unwrap_or(1)));
            }
        }
        Ok(())
    }
}

impl Run {
    /// The hard limit.
    pub(crate) fn time_limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

impl Expectation {
    fn check(&self) -> Result<(), String> {
        let ways = [self.stdout.is_some(), self.stdout_has.is_some(), self.stdout_file.is_some()];
        let is_told_twice = ways.iter().filter(|way| **way).count() > 1
            || (self.stderr.is_some() && self.stderr_has.is_some());
        if is_told_twice {
            return Err("an output is expected either exactly or by its lines, not both".to_owned());
        }
        if self.stdout_times.is_some() && self.stdout_file.is_none() {
            return Err("stdout_times is for stdout_file".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "summary = 's'\nguest = 'a.wat'\n[[run]]\nname = 'r'\n";

    #[test]
    fn the_smallest_case_expects_success_and_silence() {
        let case = Case::parse(SMALLEST).unwrap();
        let run = &case.runs[0];
        assert_eq!((run.expect.status, run.expect.stdout.as_ref()), (0, None));
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        for (wrong, text) in [
            ("misspelt field", format!("{SMALLEST}expects = {{}}\n")),
            ("misspelt expectation", format!("{SMALLEST}[run.expect]\nstatu = 1\n")),
            ("two runs of one name", format!("{SMALLEST}[[run]]\nname = 'r'\n")),
            ("no run", "summary = 's'\nguest = 'a.wat'\n".to_owned()),
            ("nothing to boot", "summary = 's'\n[[run]]\nname = 'r'\n".to_owned()),
            ("a place of its own", format!("{SMALLEST}machines = ['q35']\n")),
            ("repeats nothing", format!("{SMALLEST}[run.expect]\nstdout_times = 2\n")),
            ("a text and a file", format!("{SMALLEST}[run.expect]\nstdout = ''\nstdout_file = 'x'\n")),
            ("both forms", format!("{SMALLEST}[run.expect]\nstdout = ''\nstdout_has = []\n")),
        ] {
            assert!(Case::parse(&text).is_err(), "{wrong} was accepted");
        }
    }
}
