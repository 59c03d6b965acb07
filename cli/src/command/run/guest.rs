//! What the command line gives to a module: arguments, environment, grants and limits.
//!
//! Called by `run`; makes the instance of which `capos-manifest-model` makes a system.
//!
//! Invariant: nothing of this process's environment reaches the guest unless `--env` names it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use capos_manifest_model::Instance;

use crate::failure::Failure;
use crate::options::RunOptions;

/// The grants that `--deny` can take away.
const GRANTS: [&str; 4] = ["stdout", "stderr", "timer", "random"];
/// Names of things that no program gets yet: denying them changes nothing.
const NEVER_GRANTED: [&str; 5] = ["stdin", "wallclock", "wall-clock", "filesystem", "network"];

/// A manifest and an image say themselves what their processes get.
pub(super) fn only_for_modules(
    options: &RunOptions,
    file: &Path,
    arguments: &[OsString],
) -> Result<(), Failure> {
    let given = [
        (!arguments.is_empty(), "arguments"),
        (!options.env.is_empty(), "--env"),
        (options.fuel.is_some(), "--fuel"),
        (options.memory.is_some(), "--memory"),
        (options.argv0.is_some(), "--argv0"),
        (!options.deny.is_empty(), "--deny"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, name)) => Err(Failure::request(format!(
            "{}: {name} cannot be given here; a manifest states what its processes get",
            file.display()
        ))),
    }
}

/// The module with everything that it is given.
pub(super) fn instance(
    options: &RunOptions,
    file: &Path,
    module: Vec<u8>,
    arguments: &[OsString],
) -> Result<Instance, Failure> {
    Ok(Instance {
        binary: file.to_owned(),
        module: Some(module),
        argument0: options.argv0.as_ref().map(|it| it.as_bytes().to_vec()),
        arguments: arguments.iter().map(|it| it.as_bytes().to_vec()).collect(),
        environment: environment(&options.env, options.verbose)?,
        denied: denied(&options.deny)?,
        memory: options.memory,
        fuel: options.fuel,
        time: options.timeout,
        ..Instance::default()
    })
}

fn environment(options: &[OsString], is_verbose: bool) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut variables = Vec::new();
    for option in options {
        let bytes = option.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (key, value) = match equals {
            Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
            None => (bytes, std::env::var_os(option).map(OsString::into_vec)),
        };
        let key = std::str::from_utf8(key).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            let shown = option.to_string_lossy();
            Failure::request(format!("--env {shown}: expected NAME=VALUE or NAME, with a name in UTF-8"))
        })?;
        // A variable that is not set here is not set there.
        match value {
            Some(value) => variables.push((key.to_owned(), value)),
            None if is_verbose => eprintln!("capos: --env {key}: is not set here, and not in the guest"),
            None => {}
        }
    }
    Ok(variables)
}

fn denied(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut denied = Vec::new();
    for name in names {
        if GRANTS.contains(&name.as_str()) {
            denied.push(name.clone());
        } else if NEVER_GRANTED.contains(&name.as_str()) {
            eprintln!("capos: note: --deny {name} changes nothing: no program is granted that yet");
        } else {
            let accepted = GRANTS.join(", ");
            return Err(Failure::request(format!(
                "--deny {name}: no such grant; expected one of {accepted}"
            )));
        }
    }
    Ok(denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_split_at_the_first_equals_sign() {
        let words = ["A=b=c".into(), "EMPTY=".into(), "CAPOS_NOT_SET_ANYWHERE".into()];
        let expected = vec![("A".to_owned(), b"b=c".to_vec()), ("EMPTY".to_owned(), Vec::new())];
        assert_eq!(environment(&words, false), Ok(expected));
        assert!(environment(&["=x".into()], false).is_err());
    }

    #[test]
    fn unknown_grants_are_refused() {
        assert_eq!(denied(&["timer".into(), "stdin".into()]), Ok(vec!["timer".to_owned()]));
        assert_eq!(
            denied(&["tiemr".into()]).unwrap_err().message,
            "--deny tiemr: no such grant; expected one of stdout, stderr, timer, random"
        );
    }
}
