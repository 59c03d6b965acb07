//! Running other programs: one place that turns a failed command into a complaint.
//!
//! Called by the checks that leave the judging to another program. A program that is absent is a complaint that says
//! how to get it.

use std::process::Command;

/// Runs a command to its end; its standard output if it succeeded, else everything that it said.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = shown(command);
    let output = command.output().map_err(|error| format!("{shown}: {error}; `make setup` installs it"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{shown}` ended with {}\n{stdout}{stderr}", output.status))
}

/// Whether a program of this name is in PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// A command as a person would type it, cut where it gets long.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        if text.len() > 120 {
            text.push_str(" ...");
            break;
        }
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
