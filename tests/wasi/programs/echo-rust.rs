//! Prints its arguments and its environment, a line each, and exits with the number of arguments.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    for argument in &arguments {
        println!("argument {argument:?}");
    }
    for (key, value) in std::env::vars() {
        println!("environment {key}={value:?}");
    }
    eprint!("no line end");
    print!("the last without a line end");
    if std::io::stdout().flush().is_err() {
        return ExitCode::from(100);
    }
    ExitCode::from(arguments.len() as u8)
}
