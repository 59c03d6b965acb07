//! Random numbers across boots and instances: they differ, unless a seed says otherwise, and without a source there are none.
//!
//! Rows of `checks`. The guest prints what `random_get` brought, or its errno.
//!
//! Invariant: the processor's own random numbers are off where a seed is to repeat.

use std::fs;

use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;

/// The CPU model without random numbers of its own.
const NO_CPU_SOURCE: &str = "max,-rdrand,-rdseed";

/// Two instances of one module; the run lasts until a third has counted, long after both have ended.
const INSTANCES: &str = r#"package instances

import "capos.local/cue/defaults"

defaults.#System & {
	name: "instances"
	main: "last"
	processes: [
		for name in ["one", "other"] {"name": name, binary: "random.wat", caps: {console: true, random: true}},
		{name: "last", binary: "last.wat"},
	]
}
"#;
const LAST: &str = r#"(module (func (export "_start") (local $left i32)
  (local.set $left (i32.const 5000000))
  (loop $count (br_if $count (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#;

fn boot(tools: &Tools<'_>, run: &Run) -> Result<Shown, String> {
    let guest = tools.guests.file(&tools.system("random.wat"))?;
    tools.show(&guest, run)
}

fn bytes(tools: &Tools<'_>, run: &Run) -> Result<Vec<u8>, String> {
    let shown = boot(tools, run)?;
    status(&shown, 0)?;
    holds(shown.stdout.len() == 32, "32 bytes were expected", &shown)?;
    Ok(shown.stdout)
}

pub(super) fn boots_differ(tools: &Tools<'_>) -> Result<String, String> {
    for cpu in [None, Some(NO_CPU_SOURCE.to_owned())] {
        let run = Run { cpu: cpu.clone(), ..Run::plain() };
        let (one, other) = (bytes(tools, &run)?, bytes(tools, &run)?);
        if one == other || one == [0; 32] {
            return Err(format!("with the CPU {cpu:?} two boots had the same 32 bytes"));
        }
    }
    Ok(String::new())
}

/// Two instances of one boot, with a seed too: what one was given says nothing about the other.
pub(super) fn instances_differ(tools: &Tools<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("instances.cue");
    fs::copy(tools.system("random.wat"), folder.path().join("random.wat"))
        .and_then(|_| fs::write(folder.path().join("last.wat"), LAST))
        .and_then(|()| fs::write(&file, INSTANCES))
        .map_err(|error| error.to_string())?;
    for (cpu, seed) in [(None, None), (Some(NO_CPU_SOURCE.to_owned()), Some(7))] {
        let shown = tools.show(&file, &Run { cpu, seed, ..Run::plain() })?;
        status(&shown, 0)?;
        holds(shown.stdout.len() == 64, "32 bytes of each instance were expected", &shown)?;
        let (one, other) = shown.stdout.split_at(32);
        holds(one != other, "both instances had the same 32 bytes", &shown)?;
    }
    Ok(String::new())
}

pub(super) fn seed_repeats(tools: &Tools<'_>) -> Result<String, String> {
    let seeded = |seed| Run { seed: Some(seed), ..Run::plain() };
    let (one, again, other) =
        (bytes(tools, &seeded(7))?, bytes(tools, &seeded(7))?, bytes(tools, &seeded(8))?);
    if one != again {
        return Err("the same seed brought other bytes".to_owned());
    }
    if one == other {
        return Err("another seed brought the same bytes".to_owned());
    }
    Ok(String::new())
}

/// A process that holds the EntropySink seeds the generator of a machine without any other source, and no sooner than with
/// 256 bits.
pub(super) fn fed(tools: &Tools<'_>) -> Result<String, String> {
    let run =
        Run { cpu: Some(NO_CPU_SOURCE.to_owned()), without: vec!["virtio-rng".to_owned()], ..Run::plain() };
    let shown = tools.show(&tools.place.tests().join("kernel/seed.cue"), &run)?;
    status(&shown, 0)?;
    let line = "[kernel] random generator: seeded";
    holds(shown.log.lines().filter(|one| *one == line).count() == 1, "it was not seeded once", &shown)?;
    Ok(String::new())
}

/// Neither the processor nor the machine has random numbers: the guest gets an errno and the kernel says why.
pub(super) fn no_source(tools: &Tools<'_>) -> Result<String, String> {
    let run =
        Run { cpu: Some(NO_CPU_SOURCE.to_owned()), without: vec!["virtio-rng".to_owned()], ..Run::plain() };
    let shown = boot(tools, &run)?;
    // The guest ends with the errno of its call.
    holds(shown.status != 0 && shown.status < 100, "random_get succeeded", &shown)?;
    holds(shown.stdout.is_empty(), "bytes came out", &shown)?;
    holds(shown.log.contains("not seeded"), "the log does not say that the generator is not seeded", &shown)?;
    holds(!shown.log.contains("\"virtio-rng\""), "a driver was started without a device", &shown)?;
    Ok(format!("errno {}", shown.status))
}
