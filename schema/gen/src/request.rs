//! Asks `capnp compile` for the parsed schema.
//!
//! Called by `load` and `manifest`; calls the `capnp` command, which parses the language so that nobody here does.
//!
//! Invariant: paths inside the request are relative to `schema/`, wherever the checkout lies.

use std::path::Path;
use std::process::{Command, Stdio};

/// The serialized CodeGeneratorRequest for `files`, which are relative to `folder`.
pub(crate) fn compile(folder: &Path, files: &[String]) -> Result<Vec<u8>, String> {
    let output = Command::new("capnp")
        .args(["compile", "--no-standard-import", "-o-"])
        .args(files)
        .current_dir(folder)
        .env("PWD", folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `capnp` ({error}); Debian's package is `capnproto`"))?;
    if output.status.success() { Ok(output.stdout) } else { Err("`capnp compile` refused the schema".into()) }
}

/// The names of the `.capnp` files in `folder/sub`, sorted, relative to `folder`.
pub(crate) fn schema_files(folder: &Path, sub: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder.join(sub)).map_err(|error| format!("{sub}: {error}"))?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".capnp"))
        .map(|name| format!("{sub}/{name}"))
        .collect();
    files.sort();
    Ok(files)
}
