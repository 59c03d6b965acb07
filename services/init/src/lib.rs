//! init: the one process that the kernel starts.
//!
//! It reads the manifest out of the boot image, starts each process with exactly the capabilities that the manifest
//! grants, keeps their wall-clock limits, starts those again that the manifest wants started again, and ends the machine with the outcome of the process named `main`. The kernel
//! knows nothing of manifests; the host checked this one, and everything is checked here again.
//!
//! ```text
//! package (parts, checksums) -> plan (the manifest, checked) -> services (endpoints) -> console (streams)
//!     -> spawn (create, grant, start) -> supervise -> end
//! ```
//!
//! Invariant: a process holds what its grants list and nothing else. On success init writes nothing.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod authority;
pub mod console;
pub mod devices;
pub mod end;
pub mod ends;
pub mod launch;
pub mod package;
pub mod plan;
pub mod schedule;
pub mod seed;
pub mod services;
pub mod spawn;
pub mod supervise;

use alloc::vec::Vec;

use authority::Authority;
use capos_rt::CapSet;
use capos_rt::abi::outcome::ExitStatus;
use end::{Ending, Refusal};

/// Runs the system and ends the machine with its outcome. Returns only if there is no machine to end.
///
/// # Errors
/// The capability that init itself lacks.
pub fn run(capabilities: &CapSet) -> Result<ExitStatus, Refusal> {
    let authority = Authority::take(capabilities)?;
    let ending = match run_system(&authority) {
        Ok(ending) => ending,
        Err(refusal) => Ending::refused(&refusal),
    };
    ending.finish(&authority.machine)
}

fn run_system(authority: &Authority) -> Result<Ending, Refusal> {
    let mut package = package::Package::open(&authority.boot, &authority.memory)?;
    let manifest = package.contents(capos_rt::abi::image::MANIFEST)?;
    let segments = [&manifest[..]];
    let message = plan::message(&segments);
    let plan = plan::read(&message, package.parts())?;
    let services = services::Services::open(authority, &plan)?;
    let mut streams = console::Streams::new(&plan);
    let mut running: Vec<Option<spawn::Running>> = plan.processes.iter().map(|_| None).collect();
    let mut awaited = seed::Awaited::default();
    for place in plan.in_order() {
        running[place] = spawn::spawn(authority, &mut package, &services, &mut streams, place, &mut awaited)?;
        if let Some(started) = &running[place]
            && plan.processes[place].holds(plan::Source::EntropySink)
        {
            awaited.expect(authority, &started.process)?;
        }
    }
    Ok(supervise::Supervisor::new(authority, &plan, package, services, streams, running)?.run())
}
