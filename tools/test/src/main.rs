//! `capos-test`: runs everything that tests capOS, in an order in which the first failure tells most.
//!
//! Called by `make test`, by `.ci/run` and by `cargo test-config` as `capos-test GROUP`. Calls `steps` for what there is to
//! run, and `step` to run it.
//!
//! Invariant: the last line of standard output is `N passed, N failed`, and the end status is 0 only if nothing failed and
//! something passed. A step that ends well but ran none of the tests it promises has failed.
#![forbid(unsafe_code)]

mod count;
mod documents;
mod failing;
mod miri;
mod step;
mod steps;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// The repository's root; this crate is two folders below it.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["documents"] {
        return documents();
    }
    let steps = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [group] => steps::of_group(group),
        _ => None,
    };
    let Some(steps) = steps else {
        let groups = steps::GROUPS.join(", ");
        eprintln!("usage: capos-test GROUP, where GROUP is one of {groups}, documents");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    let mut total = count::Count::default();
    for step in &steps {
        total = total + step::run(root(), step);
    }
    println!(
        "tests: {} steps in {:.0} s, logs in target/test-logs",
        steps.len(),
        start.elapsed().as_secs_f64()
    );
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The sessions in the documents, with a total of their own.
fn documents() -> ExitCode {
    match documents::run(root()) {
        Ok(count) => {
            println!("{} passed, {} failed", count.passed, count.failed);
            if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            eprintln!("capos-test: {message}");
            ExitCode::FAILURE
        }
    }
}
