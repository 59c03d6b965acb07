//! The readers and builders of `manifest.capnp` and `launch.capnp`.
//!
//! Called by `main`; calls the `capnpc` crate, whose code for structs builds without std.
//!
//! Invariant: the version of the `capnp` command, which `capnpc` writes into its output, is taken out: it would be a drift.

use std::path::Path;

use crate::output::File;
use crate::request;

/// The modules inside which the generated code lies in `capos-schema`.
const PARENT: &str = "documents";

pub(crate) fn files(folder: &Path) -> Result<Vec<File>, String> {
    let names = ["launch.capnp".to_string(), "manifest.capnp".to_string()];
    let request = request::compile(folder, &names)?;
    let scratch = std::env::temp_dir().join(format!("capos-schema-gen-{}", std::process::id()));
    let result = generate(&request, &scratch);
    let removed = std::fs::remove_dir_all(&scratch);
    let files = result?;
    removed.map_err(|error| format!("{}: {error}", scratch.display()))?;
    Ok(files)
}

fn generate(request: &[u8], scratch: &Path) -> Result<Vec<File>, String> {
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(scratch)
        .default_parent_module(vec![PARENT.into()])
        .run(request)
        .map_err(|error| format!("capnpc: {error}"))?;
    ["launch", "manifest"]
        .into_iter()
        .map(|name| {
            let path = scratch.join(format!("{name}_capnp.rs"));
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let lines = text.lines().filter(|line| !line.starts_with("// capnp binary version"));
            let text = lines.fold(String::new(), |out, line| out + line.trim_end() + "\n");
            Ok(File { path: format!("schema/src/documents/{name}_capnp.rs"), text })
        })
        .collect()
}
