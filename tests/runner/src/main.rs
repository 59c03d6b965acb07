//! `capos-suites`: runs the cases and checks of `tests/` with the real `capos` command, in the cells of `tests/matrix.toml`.
//!
//! Called by people and by the test driver as `capos-suites [--all] [--cell WORDS] [--capos PATH] [--seed N] [--list]
//! [NAME]...`; a NAME is a suite or the beginning of a test's name, or nothing for everything. Calls `plan`, `ground` and
//! `schedule`; builds the native programs and the guests that are asked for.
//!
//! Invariant: the end status is 0 only if everything that was selected ran and passed, and something was selected; a cell
//! that does not run is named, with the reason.
#![forbid(unsafe_code)]

mod case;
mod checks;
mod discover;
mod ground;
mod guest;
mod judge;
mod launch;
mod matrix;
mod native;
mod place;
mod plan;
mod schedule;
mod setting;
mod skipped;
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use ground::Ground;
use guest::Guests;
use place::Place;
use plan::{Plan, Wanted};
use schedule::Workshop;
use setting::{Build, Setting};

/// The seed of the ring fuzzer, if none is given: a failure shows again with the same.
const SEED: u64 = 20_261_120;

const USAGE: &str = "usage: capos-suites [--all] [--cell WORDS] [--capos PATH] [--seed N] [--list] [NAME]...
  --all         every cell of tests/matrix.toml, not only those of `make test`
  --cell WORDS  only cells that have all these words: wasi-q35, kernel-microvm-1-icount-tcg-release
  --list        say what would run and what not, and run nothing
  NAME          a suite, or the beginning of a test's name: wasi/exit-code";

/// What was asked for.
#[derive(Debug, Default)]
struct Request {
    capos: Option<PathBuf>,
    list: bool,
    seed: Option<u64>,
    wanted: Wanted,
}

fn main() -> ExitCode {
    match request().and_then(|request| run(&request)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("capos-suites: {message}");
            ExitCode::from(2)
        }
    }
}

fn request() -> Result<Request, String> {
    let mut request = Request::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--all" => request.wanted.all = true,
            "--cell" => request.wanted.cell.push(value()?),
            "--capos" => request.capos = Some(value()?.into()),
            "--seed" => {
                let text = value()?;
                request.seed = Some(text.parse().map_err(|_| format!("--seed {text}: not a number"))?);
            }
            "--list" => request.list = true,
            option if option.starts_with('-') => return Err(format!("no option {option}\n{USAGE}")),
            _ => request.wanted.names.push(word),
        }
    }
    Ok(request)
}

/// Everything that is asked for; true if all passed.
fn run(request: &Request) -> Result<bool, String> {
    let place = Place::new(request.capos.clone())?;
    let Plan { jobs, skipped } = plan::make(&place, &request.wanted, || kvm(&place))?;
    skipped::lines(&skipped).iter().for_each(|line| println!("{line}"));
    if jobs.is_empty() {
        return Err("no test that runs now has that name; --list says which do, --all adds cells".to_owned());
    }
    if request.list {
        jobs.iter().for_each(|job| println!("{}", job.name()));
        return Ok(true);
    }
    let seed = request.seed.unwrap_or(SEED);
    let settings: BTreeSet<Setting> = jobs.iter().map(|job| job.cell.setting).collect();
    native::build(&place, seed, settings.iter().any(|setting| setting.build == Build::Debug))?;
    let grounds: Result<BTreeMap<Setting, Ground>, String> =
        settings.into_iter().map(|setting| Ok((setting, Ground::new(&place, setting)?))).collect();
    let guests = Guests::new(&place);
    let workshop = Workshop { place: &place, guests: &guests, seed, grounds: &grounds? };
    Ok(schedule::run(&workshop, &jobs))
}

/// Why KVM does not work here, as the doctor finds it; none if it works.
fn kvm(place: &Place) -> Result<Option<String>, String> {
    let output = Command::new(&place.capos).arg("doctor").output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| {
        let (state, rest) = line.split_once(' ')?;
        rest.trim_start().strip_prefix("KVM ").map(|reason| (state == "ok", reason.trim().to_owned()))
    });
    match line {
        Some((works, reason)) => Ok((!works).then_some(reason)),
        None => Err(format!("`capos doctor` says nothing of KVM:\n{text}")),
    }
}
