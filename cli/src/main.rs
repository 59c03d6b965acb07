//! `capos`: the host command. Called by people and by the Makefile's verbs; the work is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    capos_cli::command::main()
}
