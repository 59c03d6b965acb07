//! Turns the Cap'n Proto files of `schema/` into everything that speaks them.
//!
//! Run by people who changed the schema (`cargo run -p capos-schema-gen`) and by `make check` (`-- --check`). Calls
//! `capnp compile` for the parsed schema, and writes the codecs and method tables of `capos-schema`, the typed clients
//! and server stubs of `capos-rt`, the readers of the manifest, and the book's page of interfaces.
//!
//! Invariant: the output depends on the schema alone, so a difference from the committed files is a drift. Nothing else in
//! the build needs `capnp`.
#![forbid(unsafe_code)]

mod client;
mod codec;
mod imports;
mod load;
mod manifest;
mod model;
mod output;
mod page;
mod registry;
mod request;
mod server;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: capos-schema-gen [--check]
  without arguments: writes the generated files
  --check: writes nothing; ends with 1 and the names of the files that differ from the schema";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(is_check) {
        Ok(drifted) if drifted.is_empty() => ExitCode::SUCCESS,
        Ok(drifted) => {
            for file in drifted {
                eprintln!(
                    "{file}: differs from the schema; run `cargo run -p capos-schema-gen` and commit it"
                );
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("capos-schema-gen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Generates everything; returns the files that drifted (always none unless checking).
fn run(is_check: bool) -> Result<Vec<String>, String> {
    let root = repository_root()?;
    let interfaces = load::interfaces(&root.join("schema"))?;
    let mut files = codec::files(&interfaces);
    files.push(registry::file(&interfaces));
    files.extend(client::files(&interfaces));
    files.extend(server::files(&interfaces));
    let mut files = output::formatted(&root, files)?;
    files.extend(manifest::files(&root.join("schema"))?);
    files.push(page::file(&interfaces));
    if is_check { output::compare(&root, &files) } else { output::write(&root, &files).map(|()| Vec::new()) }
}

/// The folder above `schema/gen`.
fn repository_root() -> Result<std::path::PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).ok_or_else(|| format!("{}: no root above", here.display()))
}
