//! Random numbers across boots: they differ, unless a seed says otherwise, and without a source there are none.
//!
//! Rows of `checks`. The guest prints what `random_get` brought, or its errno.
//!
//! Invariant: the processor's own random numbers are off where a seed is to repeat.

use super::{Tools, holds, status};
use crate::case::{Machine, Run};
use crate::launch::Shown;

/// The CPU model without random numbers of its own.
const NO_CPU_SOURCE: &str = "max,-rdrand,-rdseed";

fn boot(tools: &Tools<'_>, run: &Run) -> Result<Shown, String> {
    let guest = tools.guests.file(&tools.system("random.wat"))?;
    tools.show(&guest, run, Machine::Microvm)
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

pub(super) fn seed_repeats(tools: &Tools<'_>) -> Result<String, String> {
    let seeded = |seed| Run { seed: Some(seed), ..Run::repeatable() };
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

/// Neither the processor nor the machine has random numbers: the guest gets an errno and the kernel says why.
pub(super) fn no_source(tools: &Tools<'_>) -> Result<String, String> {
    let run =
        Run { cpu: Some(NO_CPU_SOURCE.to_owned()), without: vec!["virtio-rng".to_owned()], ..Run::plain() };
    let shown = boot(tools, &run)?;
    // The guest ends with the errno of its call.
    holds(shown.status != 0 && shown.status < 100, "random_get succeeded", &shown)?;
    holds(shown.stdout.is_empty(), "bytes came out", &shown)?;
    holds(shown.log.contains("not seeded"), "the log does not say that the generator is not seeded", &shown)?;
    Ok(format!("errno {}", shown.status))
}
