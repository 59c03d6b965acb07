//! `capos-check`: what `make check` runs. Every check looks at the repository and needs no boot.
//!
//! Called by the Makefile as `capos-check [--fix] [CHECK]...`; no CHECK means all of them. Prints one line per check with
//! its seconds, and what a failed one has to say below it.
//!
//! Invariant: a check changes nothing, except with `--fix` and only in the checks that say they can.
#![forbid(unsafe_code)]

mod dependencies;
mod dispatch;
mod documents;
mod elf;
mod excerpts;
mod format;
mod generated;
mod licence;
mod lint;
mod notices;
#[path = "../../../kernel/image/build/products.rs"]
#[expect(dead_code, reason = "the list says more than linting needs")]
mod products;
mod repository;
mod roots;
mod run;
mod sizes;
mod source;
mod vendored;
mod words;

use repository::Repository;
use std::process::ExitCode;
use std::time::Instant;

/// What a check found: a short note if all is well, else the complaints, one or more lines each.
type Verdict = Result<String, Vec<String>>;

/// One check: the name it is called by, what it makes sure of, and the code.
struct Check {
    name: &'static str,
    promise: &'static str,
    run: fn(&Repository, bool) -> Verdict,
}

/// Every check, the quick ones first.
const CHECKS: &[Check] = &[
    Check { name: "format", promise: "Rust, Go and CUE are formatted (--fix formats)", run: format::check },
    Check { name: "words", promise: "no machine paths, unknown hosts or deferred work", run: words::check },
    Check { name: "links", promise: "links in documents lead somewhere", run: documents::links },
    Check {
        name: "excerpts",
        promise: "Rust in documents is in a file that is run",
        run: excerpts::excerpts,
    },
    Check { name: "sizes", promise: "files, functions and binaries are within budget", run: sizes::check },
    Check {
        name: "dispatch",
        promise: "the shipped engine jumps from operation to operation",
        run: dispatch::check,
    },
    Check {
        name: "unsafe",
        promise: "unsafe code only where it may be, and not more of it",
        run: roots::unsafe_code,
    },
    Check {
        name: "roots",
        promise: "crate roots forbid unsafe, modules say what they are",
        run: roots::roots,
    },
    Check {
        name: "dependencies",
        promise: "licences, sources, pins and duplicates",
        run: dependencies::check,
    },
    Check { name: "vendored", promise: "forks are their releases with their patches", run: vendored::check },
    Check {
        name: "generated",
        promise: "generated files match their sources (--fix writes)",
        run: generated::check,
    },
    Check { name: "shell", promise: "scripts pass shellcheck", run: lint::shell },
    Check { name: "go", promise: "the Go tools pass go vet", run: lint::go },
    Check { name: "clippy", promise: "host crates have no warnings", run: lint::host },
    Check { name: "freestanding", promise: "freestanding crates have no warnings", run: lint::freestanding },
    Check {
        name: "runtime",
        promise: "the runtime has no warnings and its host tests pass",
        run: lint::runtime,
    },
];

fn main() -> ExitCode {
    let mut fix = false;
    let mut names = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--fix" => fix = true,
            "-h" | "--help" => return usage(0),
            name if CHECKS.iter().any(|check| check.name == name) => names.push(argument),
            name => {
                eprintln!("capos-check: there is no check called \"{name}\"");
                return usage(2);
            }
        }
    }
    let repository = match Repository::open() {
        Ok(repository) => repository,
        Err(message) => {
            eprintln!("capos-check: {message}");
            return ExitCode::FAILURE;
        }
    };
    // Running everything covers the runtime's lints already; asked for by name it also runs the runtime's tests.
    let chosen = |check: &&Check| match names.as_slice() {
        [] => check.name != "runtime",
        names => names.iter().any(|name| name == check.name),
    };
    let failed = CHECKS.iter().filter(chosen).filter(|check| !passes(check, &repository, fix)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one check and prints its line.
fn passes(check: &Check, repository: &Repository, fix: bool) -> bool {
    let start = Instant::now();
    let verdict = (check.run)(repository, fix);
    let seconds = start.elapsed().as_secs_f64();
    match verdict {
        Ok(note) => {
            println!("check {:13} ok     {seconds:6.1} s  {note}", check.name);
            true
        }
        Err(complaints) => {
            println!("check {:13} FAILED {seconds:6.1} s  wanted: {}", check.name, check.promise);
            for complaint in complaints {
                println!("    {}", complaint.trim_end().replace('\n', "\n    "));
            }
            false
        }
    }
}

fn usage(status: u8) -> ExitCode {
    println!("usage: capos-check [--fix] [CHECK]...");
    for check in CHECKS {
        println!("  {:13} {}", check.name, check.promise);
    }
    ExitCode::from(status)
}
