//! Checks that need more than a case can say: several runs compared, an image changed, a pipe closed.
//!
//! Called by `schedule`; each file holds the checks of one subject.
//!
//! Invariant: a check that is not in [`ALL`] does not compile without a warning, and one that is in it is run.

mod allocation;
mod authority;
mod clock;
mod damage;
mod hardware;
mod kernel;
mod machine_check;
mod pipes;
mod quota;
mod random;
mod record;

use std::path::Path;

use crate::case::{Machine, Run};
use crate::guest::Guests;
use crate::judge;
use crate::launch::{self, Shown};
use crate::place::Place;

/// What a check may use.
pub(crate) struct Tools<'a> {
    /// Where things are.
    pub(crate) place: &'a Place,
    /// Guests, built on demand.
    pub(crate) guests: &'a Guests,
    /// The seed of the ring fuzzer.
    pub(crate) seed: u64,
}

/// One check. `run` returns the figures to print, or what is wrong.
pub(crate) struct Check {
    /// Its name: `suite/subject: what it shows`.
    pub(crate) name: &'static str,
    /// The machine that it boots.
    pub(crate) machine: Machine,
    /// Does it.
    pub(crate) run: fn(&Tools<'_>) -> Result<String, String>,
}

const fn check(name: &'static str, run: fn(&Tools<'_>) -> Result<String, String>) -> Check {
    Check { name, machine: Machine::Microvm, run }
}

const fn check_q35(name: &'static str, run: fn(&Tools<'_>) -> Result<String, String>) -> Check {
    Check { name, machine: Machine::Q35, run }
}

/// Every check. Long ones first, so that none is left to run alone at the end.
pub(crate) const ALL: &[Check] = &[
    check("system/allocation: each refused allocation is survived", allocation::sweep),
    check("kernel/suite: microvm", kernel::suite_microvm),
    check_q35("kernel/suite: q35", kernel::suite_q35),
    check("kernel/fuzz: microvm", kernel::fuzz_microvm),
    check("kernel/hardware layer: microvm", hardware::microvm),
    check_q35("kernel/hardware layer: q35", hardware::q35),
    check("kernel/machine check: it is reported", machine_check::reported),
    check_q35("kernel/fuzz: q35", kernel::fuzz_q35),
    check("system/clock: the monotonic clock goes with the instruction clock", clock::instructions),
    check("system/quota: memory grows page by page within the limit and 16 MiB", quota::growth),
    check("system/random: two boots differ", random::boots_differ),
    check("system/random: two instances of one boot differ", random::instances_differ),
    check("system/random: a seed repeats", random::seed_repeats),
    check("system/random: without a source it refuses", random::no_source),
    check("system/authority: a rebuilt Rust guest says its word", authority::rust_word),
    check("system/authority: a rebuilt C guest says its word", authority::c_word),
    check("system/authority: one process for each instance, at ring 3", authority::one_process_each),
    check("system/damage: each part corrupt", damage::corrupt_parts),
    check("system/damage: each part cut off", damage::truncated),
    check("system/damage: the header and the table", damage::head),
    check("system/damage: bad kernel options", damage::options),
    check("system/pipes: a closed pipe ends the run", pipes::head),
    check("system/pipes: Ctrl-C ends the run", pipes::interrupt),
    check("system/pipes: closed streams disturb nothing", pipes::closed_streams),
    check("system/pipes: a full disk", pipes::full_disk),
    check("system/pipes: both streams in one file keep their order", pipes::one_file),
    check("system/pipes: a slow reader gets everything", pipes::slow_reader),
    check("system/pipes: a program whose account is full can write to a slow reader", pipes::full_account),
];

impl Run {
    /// A run of which nothing special is said.
    pub(crate) fn plain() -> Run {
        Run { name: String::new(), machines: vec![Machine::Microvm], timeout: 120, ..Run::default() }
    }

    /// A run under the instruction clock: the same each time, however busy the host is.
    pub(crate) fn repeatable() -> Run {
        Run { qemu: ["-icount", "shift=0,sleep=off"].map(str::to_owned).to_vec(), ..Run::plain() }
    }
}

impl Tools<'_> {
    /// Runs a file on a machine and brings back what it showed.
    pub(crate) fn show(&self, file: &Path, run: &Run, machine: Machine) -> Result<Shown, String> {
        judge::show(self.place, &self.place.root, file, run, machine)
    }

    /// A guest or manifest of the system tests.
    pub(crate) fn system(&self, name: &str) -> std::path::PathBuf {
        self.place.tests().join("system").join(name)
    }
}

/// The run must have ended with this status.
pub(crate) fn status(shown: &Shown, expected: i32) -> Result<(), String> {
    if shown.status == expected {
        return Ok(());
    }
    Err(format!(
        "status {}, expected {expected}\n{}\n{}",
        shown.status,
        launch::tail(shown),
        launch::last_lines(&shown.log)
    ))
}

/// Something that must be so; else what was shown.
pub(crate) fn holds(is_so: bool, told: &str, shown: &Shown) -> Result<(), String> {
    if is_so {
        Ok(())
    } else {
        Err(format!("{told}\n{}\nlog: {}", launch::tail(shown), launch::last_lines(&shown.log)))
    }
}
