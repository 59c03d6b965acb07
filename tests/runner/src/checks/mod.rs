//! Checks that need more than a case can say: several runs compared, an image changed, a pipe closed.
//!
//! Called by `schedule`; each file holds the checks of one subject.
//!
//! Invariant: a check that is not in [`ALL`] does not compile without a warning, and one that is in it is run.

mod accounts;
mod allocation;
mod authority;
mod clock;
mod console;
mod crowd;
mod damage;
mod drivers;
mod fairness;
mod flood;
mod forged;
mod hardware;
mod idle;
mod instances;
mod kernel;
mod machine_check;
mod pipes;
mod quota;
mod random;
mod record;
mod services;
mod soak;
mod stretch;
mod together;

use std::path::Path;

use crate::case::Run;
use crate::ground::Ground;
use crate::guest::Guests;
use crate::judge;
use crate::launch::{self, Shown};
use crate::place::Place;
use crate::setting::Mode;

/// What a check may use.
pub(crate) struct Tools<'a> {
    /// Where things are.
    pub(crate) place: &'a Place,
    /// Guests, built on demand.
    pub(crate) guests: &'a Guests,
    /// The seed of the ring fuzzer.
    pub(crate) seed: u64,
    /// What the cell runs on.
    pub(crate) ground: &'a Ground,
}

/// One check. `run` returns the figures to print, or what is wrong.
#[derive(Debug)]
pub(crate) struct Check {
    /// Its name: `suite/subject: what it shows`.
    pub(crate) name: &'static str,
    /// Whether it means something in a mode.
    runs_in: fn(Mode) -> bool,
    /// Does it.
    pub(crate) run: fn(&Tools<'_>) -> Result<String, String>,
}

const fn check(name: &'static str, run: fn(&Tools<'_>) -> Result<String, String>) -> Check {
    Check { name, runs_in: |_| true, run }
}

const fn check_icount(name: &'static str, run: fn(&Tools<'_>) -> Result<String, String>) -> Check {
    Check { name, runs_in: |mode| mode == Mode::Icount, run }
}

/// For what needs time to go on while the machine waits for the host.
const fn check_timed(name: &'static str, run: fn(&Tools<'_>) -> Result<String, String>) -> Check {
    Check { name, runs_in: |mode| mode != Mode::Icount, run }
}

impl Check {
    /// Whether it means something in a mode.
    pub(crate) fn runs_in(&self, mode: Mode) -> bool {
        (self.runs_in)(mode)
    }
}

/// Every check. Long ones first, so that none is left to run alone at the end.
pub(crate) const ALL: &[Check] = &[
    check_icount("allocation/sweep: each refused allocation is survived", allocation::sweep),
    check_icount("allocation/sweep: in the services demo too", allocation::sweep_services),
    check("soak/soak: 20,000 spawns and a million calls leave nothing", soak::spawns_and_calls),
    check_icount("allocation/sweep: in what shares memory too", allocation::sweep_sharing),
    check("kernel/suite: every test from ring 3", kernel::suite),
    check("kernel/fuzz: every answer is the one that was due", kernel::fuzz),
    check_icount("kernel/hardware layer: everything holds", hardware::proof),
    check("kernel/hardware layer: a stack that is used up ends the machine", hardware::overflow),
    check_icount("kernel/fairness: nobody loses to a greedy neighbour", fairness::neighbours),
    check_icount("kernel/accounts: what is promised to a process is kept", accounts::promises),
    check("kernel/machine check: it is reported", machine_check::reported),
    check_icount("kernel/idle: it halts, and one interrupt ends each sleep", idle::halts),
    check_icount("kernel/drivers: what a dead one asked for is not written", drivers::nothing_written),
    check("host/crowd: 50 runs at once all end right", crowd::fifty),
    check("host/flood: a flood of output takes no memory", flood::bounded),
    check("host/kill: a killed capos takes its QEMU with it", crowd::killed),
    check_icount("kernel/instances: a thousand at once in 1 GiB", instances::thousand),
    check_icount("kernel/instances: a thousand that init starts", instances::by_init),
    check_icount("system/instances: two hundred of a manifest", instances::listed),
    check_icount("system/clock: the monotonic clock goes with the instruction clock", clock::instructions),
    check_icount("kernel/stretch: ring 0 lets interrupts come, whatever it does", stretch::stretches),
    check("system/quota: memory grows page by page within the limit and 16 MiB", quota::growth),
    check("system/random: two boots differ", random::boots_differ),
    check("system/random: two instances of one boot differ", random::instances_differ),
    check_icount("system/random: a seed repeats", random::seed_repeats),
    check("system/random: without a source it refuses", random::no_source),
    check("system/random: a process that feeds it seeds it", random::fed),
    check_icount("system/together: of each process that failed init says so", together::all_told),
    check("system/authority: a rebuilt Rust guest says its word", authority::rust_word),
    check("system/authority: a rebuilt C guest says its word", authority::c_word),
    check("system/authority: one process for each instance, at ring 3", authority::one_process_each),
    check("system/damage: each part corrupt", damage::corrupt_parts),
    check("system/damage: each part cut off", damage::truncated),
    check("system/damage: the header and the table", damage::head),
    check("system/damage: a kernel that is none", damage::bad_kernels),
    check("system/damage: an image beside the prepared one", damage::beside),
    check("system/damage: bad kernel options", damage::options),
    check("system/services: the demo says each step", services::demo),
    check("system/services: one that ends is started again as its manifest says", services::restarts),
    check("system/services: without a grant there is no service", services::ungranted),
    check("system/drivers: one that dies is started again", drivers::started_again),
    check("system/console: a driver that dies over a call loses none else", console::mortal),
    check_timed("system/console: a driver is ended wherever it is", console::hunted),
    check("system/console: a driver that is lost does not lose the outcome", console::lost),
    check("system/console: a machine without it still ends right", console::absent),
    check_icount("system/console: a flood takes no turns from another", console::flooded),
    check("system/forged: a module swapped in the image", forged::refused),
    check("system/pipes: a closed pipe ends the run", pipes::head),
    check("system/pipes: Ctrl-C ends the run", pipes::interrupt),
    check("system/pipes: closed streams disturb nothing", pipes::closed_streams),
    check("system/pipes: a full disk", pipes::full_disk),
    check("system/pipes: both streams in one file keep their order", pipes::one_file),
    check("system/pipes: a slow reader gets everything", pipes::slow_reader),
    check("system/pipes: two that write to a slow reader both get on", pipes::two_writers),
    check("system/pipes: a program whose account is full can write to a slow reader", pipes::full_account),
];

impl Run {
    /// A run of which nothing special is said.
    pub(crate) fn plain() -> Run {
        Run { name: String::new(), timeout: 120, ..Run::default() }
    }
}

impl Tools<'_> {
    /// Runs a file and brings back what it showed.
    pub(crate) fn show(&self, file: &Path, run: &Run) -> Result<Shown, String> {
        judge::show(self.ground, &self.place.root, file, run)
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
