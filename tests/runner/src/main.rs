//! `capos-suites`: runs the cases and checks of `tests/` with the real `capos` command.
//!
//! Called by people and by the test driver as `capos-suites [--capos PATH] [--machine NAME] [--seed N] [--list] [NAME]...`; a NAME is a
//! suite (`wasi`, `system`, `kernel`), the beginning of a case's or check's name, or nothing for everything. Calls
//! `discover`, `judge` and `checks`; builds the native programs and the guests that are asked for.
//!
//! Invariant: the end status is 0 only if everything that was selected ran and passed, and something was selected.
#![forbid(unsafe_code)]

mod case;
mod checks;
mod discover;
mod guest;
mod judge;
mod launch;
mod native;
mod place;
mod schedule;
mod stand_in;

use std::path::PathBuf;
use std::process::ExitCode;

use checks::Tools;
use guest::Guests;
use place::Place;
use schedule::Job;

/// The folders of `tests/` that hold cases.
const SUITES: [&str; 3] = ["kernel", "system", "wasi"];

/// The seed of the ring fuzzer, if none is given: a failure shows again with the same.
const SEED: u64 = 20_261_120;

/// What was asked for.
#[derive(Debug, Default)]
struct Request {
    capos: Option<PathBuf>,
    machine: Option<String>,
    list: bool,
    seed: Option<u64>,
    names: Vec<String>,
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
            "--capos" => request.capos = Some(value()?.into()),
            "--machine" => request.machine = Some(value()?),
            "--seed" => {
                let text = value()?;
                request.seed = Some(text.parse().map_err(|_| format!("--seed {text}: not a number"))?);
            }
            "--list" => request.list = true,
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            _ => request.names.push(word),
        }
    }
    Ok(request)
}

/// Everything that is asked for, as one list of jobs; true if all passed.
fn run(request: &Request) -> Result<bool, String> {
    let place = Place::new(request.capos.clone())?;
    let jobs = jobs(&place, request)?;
    if jobs.is_empty() {
        return Err("nothing has that name".to_owned());
    }
    if request.list {
        for job in &jobs {
            println!("{}", job.name());
        }
        return Ok(true);
    }
    let seed = request.seed.unwrap_or(SEED);
    native::build(&place, seed)?;
    let guests = Guests::new(&place);
    let tools = Tools { place: &place, guests: &guests, seed };
    Ok(schedule::run(&tools, &jobs))
}

fn jobs(place: &Place, request: &Request) -> Result<Vec<Job>, String> {
    let mut jobs = Vec::new();
    for suite in SUITES {
        for found in discover::cases(&place.tests(), suite)? {
            for (index, run) in found.case.runs.iter().enumerate() {
                jobs.extend(run.machines.iter().map(|machine| Job::Case {
                    found: found.clone(),
                    run: index,
                    machine: *machine,
                }));
            }
        }
    }
    jobs.extend(checks::ALL.iter().map(Job::Check));
    jobs.retain(|job| selected(job, request));
    Ok(jobs)
}

fn selected(job: &Job, request: &Request) -> bool {
    let on_machine = match (&request.machine, job) {
        (Some(wanted), Job::Case { machine, .. }) => machine.name() == wanted,
        (Some(wanted), Job::Check(check)) => check.machine.name() == wanted,
        (None, _) => true,
    };
    let name = job.name();
    on_machine
        && (request.names.is_empty() || request.names.iter().any(|wanted| name.starts_with(wanted.as_str())))
}
