//! Many instances of the C demo: a thousand alive at once in 1 GiB, started by a program and by init.
//!
//! Rows of `checks`. The program `instances` starts them and keeps them all waiting; what one really takes is the difference
//! in free frames between the first end and the last.
//!
//! Invariant: the machine has 1 GiB, and the instances are processes like any other.

use std::fs;

use super::quota::launch;
use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;

const INSTANCES: usize = 1_000;
/// Instances of the manifest that lists each as one.
const LISTED: usize = 200;
/// What each of them writes.
const LINE: &str = "Hello from WASI on capOS";
/// The machine's memory, and what the kernel's log says that it has free at the start of it.
const MEMORY: &str = "1024M";
const FREE_MEBIBYTES: std::ops::Range<u64> = 900..1_024;
const PAGE: u64 = 4_096;
/// The hard limit of the run: a second for each, and more, on a busy host.
const SECONDS: u64 = 600;
/// Bytes of memory that a waiting instance takes at most, with everything that the kernel keeps for it.
const BYTES_EACH: u64 = 512 << 10;
/// Bytes that ring 0 keeps for a waiting instance at most: page tables, rings, records.
const KERNEL_BYTES_EACH: u64 = 64 << 10;

const MANIFEST: &str = r#"package instances

import "capos.local/cue/defaults"

defaults.#System & {
	name: "instances"
	processes: [{
		name:    "instances"
		program: "PRODUCTS/tests/instances.elf"
		uses: {
			stdout:  "Console"
			memory:  "VirtualMemory"
			spawner: "ProcessSpawner"
			host:    "MemoryObject"
			module:  "MemoryObject"
			launch:  "MemoryObject"
		}
		limits: memory: "840MiB"
	}]
	parts: {host: "PRODUCTS/lib/capos/capos-wasm.elf", module: "MODULE", launch: "launch"}
	offers: [
		{cap: "stdout", from: "kernel", to: "instances", methods: ["write"]},
		{cap: "memory", from: "kernel", to: "instances", methods: ["reserve", "commit", "decommit", "unmap", "map", "createObject", "usage"]},
		{cap: "spawner", from: "kernel", to: "instances", methods: ["create", "createEndpoint"]},
		{cap: "host", from: "kernel", to: "instances", methods: ["info", "read"]},
		{cap: "module", from: "kernel", to: "instances", methods: ["info", "read"]},
		{cap: "launch", from: "kernel", to: "instances", methods: ["info", "read"]},
	]
}
"#;

/// Native processes are what can get a service as their standard output: here the program `instances`.
const BY_INIT: &str = r#"package instances

import (
	"list"
	"capos.local/cue/defaults"
)

let names = [for number in list.Range(0, 1000, 1) {"hello\(number)"}]

defaults.#System & {
	name: "instances"
	main: "instances"
	processes: [{
		name:    "instances"
		program: "PRODUCTS/tests/instances.elf"
		uses: {stdout: "Console", memory: "VirtualMemory"}
		serves: gate: "Console"
	}, for hello in names {
		name:    hello
		program: "capos-wasm"
		uses: {stdout: "Console", memory: "VirtualMemory", module: "MemoryObject", launch: "MemoryObject"}
		limits: memory: "800KiB"
	}]
	parts: {module: "MODULE", launch: "launch"}
	offers: [
		{cap: "stdout", from: "kernel", to: "instances", methods: ["write"]},
		{cap: "memory", from: "kernel", to: "instances", methods: "all"},
		for hello in names {cap: "gate", from: "instances", to: hello, as: "stdout", methods: ["write"]},
		for hello in names {cap: "memory", from: "kernel", to: hello, methods: "all"},
		for hello in names {cap: "module", from: "kernel", to: hello, methods: ["info", "read"]},
		for hello in names {cap: "launch", from: "kernel", to: hello, methods: ["info", "read"]},
	]
}
"#;

const LIST: &str = r#"package instances

import (
	"list"
	"capos.local/cue/defaults"
)

defaults.#System & {
	name: "instances"
	main: "last"
	processes: [for number in list.Range(0, 200, 1) {
		name:   "hello\(number)"
		binary: "MODULE"
		caps: console:  true
		limits: memory: "2MiB"
	}, {name: "last", binary: "last.wat"}]
}
"#;

/// The main process, whose end is the end of the run: what it does takes longer than everything that the others do, of which
/// each gets as much of the processor.
const LAST: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const 10000000))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))))
"#;

/// Boots a manifest of this text in a machine with these arguments of QEMU.
fn show(tools: &Tools<'_>, manifest: &str, qemu: &[&str]) -> Result<Shown, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let module = tools.guests.file(&tools.place.root.join("demos/wasi-hello-c"))?;
    let manifest = manifest
        .replace("PRODUCTS", &tools.place.products(tools.ground.setting.build).to_string_lossy())
        .replace("MODULE", &module.to_string_lossy());
    let file = folder.path().join("instances.cue");
    fs::write(folder.path().join("launch"), launch(16 << 20))
        .and_then(|()| fs::write(folder.path().join("last.wat"), LAST))
        .and_then(|()| fs::write(&file, manifest))
        .map_err(|error| error.to_string())?;
    let qemu = qemu.iter().map(|argument| (*argument).to_owned()).collect();
    let shown = tools.show(&file, &Run { qemu, timeout: SECONDS, ..Run::plain() })?;
    status(&shown, 0)?;
    Ok(shown)
}

/// A thousand that init starts, of which each waits until all are there.
pub(super) fn by_init(tools: &Tools<'_>) -> Result<String, String> {
    let shown = show(tools, BY_INIT, &["-m", MEMORY])?;
    let text = shown.stdout_text();
    holds(text == format!("{INSTANCES} waited at once\n"), &format!("it said {text:?}"), &shown)?;
    has_memory(&shown)?;
    Ok(text.trim_end().to_owned())
}

/// Two hundred WASI instances of a manifest: each writes its line and ends, before the main process does.
pub(super) fn listed(tools: &Tools<'_>) -> Result<String, String> {
    let shown = show(tools, LIST, &[])?;
    let lines = shown.stdout_text().lines().filter(|line| *line == LINE).count();
    holds(lines == LISTED, &format!("{lines} lines instead of {LISTED}"), &shown)?;
    let records = ends(&shown.log)?;
    let ended = records.iter().filter(|end| end.name.starts_with("hello") && end.outcome == "exited").count();
    holds(ended == LISTED, &format!("{ended} ends instead of {LISTED}"), &shown)?;
    Ok(format!("{ended} ended"))
}

/// The machine has the memory that it is meant to have.
fn has_memory(shown: &Shown) -> Result<(), String> {
    let free =
        shown.log.lines().find_map(|line| line.strip_suffix(" MiB free")?.rsplit(' ').next()?.parse().ok());
    holds(free.is_some_and(|free| FREE_MEBIBYTES.contains(&free)), "the machine has not 1 GiB", shown)
}

pub(super) fn thousand(tools: &Tools<'_>) -> Result<String, String> {
    let shown = show(tools, MANIFEST, &["-m", MEMORY])?;
    let text = shown.stdout_text();
    let expected = format!("{INSTANCES} waited at once, {INSTANCES} exited with 0, charged at most ");
    let charged = text.trim_end().strip_prefix(&expected).and_then(|number| number.parse::<u64>().ok());
    let charged = charged.ok_or_else(|| format!("it said {text:?}, expected {expected:?}"))?;
    has_memory(&shown)?;
    let records = ends(&shown.log)?;
    let instances: Vec<_> = records.iter().filter(|end| end.name == "hello").collect();
    holds(instances.len() == INSTANCES, "not all of them have ended", &shown)?;
    let least = instances.iter().map(|end| end.free_frames).min().unwrap_or_default();
    let most = instances.iter().map(|end| end.free_frames).max().unwrap_or_default();
    let bytes = most.saturating_sub(least) * PAGE / (INSTANCES as u64 - 1);
    let kernel = instances.iter().map(|end| end.kernel_bytes).max().unwrap_or_default();
    let told = format!("{bytes} bytes each, {kernel} of them the kernel's; charged {charged}");
    holds(bytes <= BYTES_EACH && kernel <= KERNEL_BYTES_EACH, &told, &shown)?;
    Ok(told)
}
