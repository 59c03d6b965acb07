//! The adapter's own need of memory: growing to the limit, page by page, fits into the limit and 16 MiB.
//!
//! A row of `checks`. Starts the adapter as a plain native program with exactly that quota; the manifest of an instance
//! would add what the module and the value stack may need.
//!
//! Invariant: one page less of linear memory than the limit is a failure.

use std::fs;

use capnp::message::{Builder, HeapAllocator};
use capos_schema::launch_capnp::launch_parameters;

use super::{Tools, holds};
use crate::case::Run;

/// Bytes that the adapter may need beside linear memory.
const OWN: u64 = 16 << 20;

const MANIFEST: &str = r#"package quota

import "capos.local/cue/defaults"

defaults.#System & {
	name: "quota"
	processes: [{
		name:    "grow"
		program: "capos-wasm"
		uses: {memory: "VirtualMemory", module: "MemoryObject", launch: "MemoryObject"}
		limits: memory: QUOTA
	}]
	parts: {module: "grow.wasm", launch: "launch"}
	offers: [
		{cap: "memory", from: "kernel", to: "grow", methods: ["reserve", "commit", "decommit", "unmap", "map", "createObject", "usage"]},
		{cap: "module", from: "kernel", to: "grow", methods: ["info", "read"]},
		{cap: "launch", from: "kernel", to: "grow", methods: ["info", "read"]},
	]
}
"#;

pub(super) fn growth(tools: &Tools<'_>) -> Result<String, String> {
    let mut told = Vec::new();
    for mebibytes in [1, 16, 64, 256] {
        let limit = mebibytes << 20;
        let code = grow(tools, limit)?;
        // The guest ends with a quarter of its pages.
        let expected = limit / 65_536 / 4;
        if u64::from(code) != expected {
            return Err(format!("with a limit of {mebibytes} MiB it got {} pages", u64::from(code) * 4));
        }
        told.push(format!("{mebibytes} MiB"));
    }
    Ok(format!("up to {} within the limit and 16 MiB", told.join(", ")))
}

/// The exit code of the guest that grows until it is refused.
fn grow(tools: &Tools<'_>, limit: u64) -> Result<u32, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let source = tools.place.tests().join("wasi/grow.wat");
    let module = wat::parse_file(&source).map_err(|error| error.to_string())?;
    let manifest = MANIFEST.replace("QUOTA", &(limit + OWN).to_string());
    let file = folder.path().join("quota.cue");
    fs::write(folder.path().join("grow.wasm"), module)
        .and_then(|()| fs::write(folder.path().join("launch"), launch(limit)))
        .and_then(|()| fs::write(&file, manifest))
        .map_err(|error| error.to_string())?;
    let shown = tools.show(&file, &Run::plain())?;
    let outcome = shown.outcome.clone().unwrap_or_default();
    let kind = outcome.get("kind").and_then(|kind| kind.as_str());
    holds(kind == Some("exited"), &format!("with a limit of {limit} bytes it did not exit"), &shown)?;
    let code =
        outcome.get("code").and_then(serde_json::Value::as_u64).and_then(|code| u32::try_from(code).ok());
    code.ok_or_else(|| "the outcome has no code".to_owned())
}

/// The launch parameters: a limit and a name.
pub(super) fn launch(limit: u64) -> Vec<u8> {
    let mut message = Builder::new(HeapAllocator::new().first_segment_words(1024));
    let mut parameters: launch_parameters::Builder<'_> = message.init_root();
    parameters.set_memory_limit(limit);
    parameters.set_module_name("grow.wat");
    parameters.reborrow().init_arguments(1).set(0, b"grow");
    message.get_segments_for_output().concat()
}
