//! What must be true of a plan beyond its types.
//!
//! Called by `plan::read`. Pure.
//!
//! Invariant: every refusal names the process, and the grant if it is about one.

use alloc::collections::BTreeSet;

use capos_rt::abi::capset;
use capos_rt::abi::share::{PERIOD_NANOSECONDS, WEIGHT_TOTAL};
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::boot_package::BootPackage;
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::console::Console;
use capos_rt::schema::device::Device;
use capos_rt::schema::entropy_sink::EntropySink;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::{Description, Interface, mask};
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_schema::manifest_capnp::system_manifest::Source;

use super::{Grant, PROCESSES_MAX, Process};
use crate::end::{INIT, Refusal};
use crate::package::Part;

/// Bytes of a process's name at most.
const NAME_BYTES_MAX: usize = 64;
/// The name under which a process gets its module.
pub(crate) const MODULE: &str = "module";
/// The name under which a process gets its launch parameters.
pub(crate) const LAUNCH: &str = "launch";

/// Name and methods of what a grant is of; none for a service that nobody serves.
fn offered<'p>(grant: &Grant, processes: &'p [Process<'_>]) -> Option<(&'p str, u64)> {
    if let Some(interface) = interface(grant.source) {
        // A stream has no other method: the others are not for processes.
        let is_stream = matches!(grant.source, Source::ConsoleOutput | Source::ConsoleError);
        let methods = if is_stream { mask(&[Console::WRITE]) } else { interface.all_methods };
        return Some((interface.name, methods));
    }
    let (process, name) = &grant.service;
    let server = processes.iter().find(|server| server.name == *process)?;
    let service = server.serves.iter().find(|service| service.name == *name)?;
    Some((&service.name, service.methods))
}

/// The interface of what the kernel grants; none for a service.
fn interface(source: Source) -> Option<&'static Description> {
    Some(match source {
        Source::ConsoleOutput | Source::ConsoleError => Console::DESCRIPTION,
        Source::Timer => Timer::DESCRIPTION,
        Source::EntropySource => EntropySource::DESCRIPTION,
        Source::EntropySink => EntropySink::DESCRIPTION,
        Source::VirtualMemory => VirtualMemory::DESCRIPTION,
        Source::Accounting => Accounting::DESCRIPTION,
        Source::Part | Source::ConsoleNames => MemoryObject::DESCRIPTION,
        Source::ProcessSpawner => ProcessSpawner::DESCRIPTION,
        Source::BootPackage => BootPackage::DESCRIPTION,
        Source::CodeMemory => CodeMemory::DESCRIPTION,
        Source::Device => Device::DESCRIPTION,
        Source::Service => return None,
    })
}

/// Checks all processes.
pub(super) fn processes(processes: &[Process<'_>], parts: &[Part]) -> Result<(), Refusal> {
    let count = processes.len();
    if count == 0 || count > PROCESSES_MAX {
        return Err(Refusal::invalid(
            INIT,
            format_args!("manifest: {count} processes; there must be 1 to {PROCESSES_MAX}"),
        ));
    }
    let weight: u64 = processes.iter().map(|process| u64::from(process.weight)).sum();
    if weight >= u64::from(WEIGHT_TOTAL) {
        let reason =
            format_args!("manifest: weights of {weight} together; there are less than {WEIGHT_TOTAL}");
        return Err(Refusal::invalid(INIT, reason));
    }
    let mut names = BTreeSet::new();
    for process in processes {
        if !names.insert(process.name.as_str()) {
            return Err(refuse(process, format_args!("there are two processes of this name")));
        }
        one(process, processes, parts)?;
    }
    Ok(())
}

fn one(process: &Process<'_>, processes: &[Process<'_>], parts: &[Part]) -> Result<(), Refusal> {
    if process.name.is_empty() || process.name.len() > NAME_BYTES_MAX {
        let length = process.name.len();
        return Err(refuse(process, format_args!("the name has {length} bytes; it must have 1 to 64")));
    }
    if process.memory_limit == 0 {
        return Err(refuse(process, format_args!("no memory limit")));
    }
    if process.memory_reserve > process.memory_limit {
        let (reserve, limit) = (process.memory_reserve, process.memory_limit);
        return Err(refuse(
            process,
            format_args!("a memory reserve of {reserve} above the limit of {limit}"),
        ));
    }
    if process.weight == 0 {
        return Err(refuse(process, format_args!("no share of the processor")));
    }
    let [budget, period] = process.rate;
    if process.rate != [0, 0] && !(PERIOD_NANOSECONDS.contains(&period) && (1..=period).contains(&budget)) {
        return Err(refuse(process, format_args!("a budget of {budget} ns in a period of {period} ns")));
    }
    expect_part(process, "the image", &process.image, parts)?;
    if let Some(module) = &process.module {
        expect_part(process, "the module", module, parts)?;
    }
    let mut names = BTreeSet::new();
    let own = [(MODULE, process.module.is_some()), (LAUNCH, process.launch.is_some())];
    names.extend(own.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name));
    for grant in &process.grants {
        check_grant(process, grant, processes, parts)?;
        if !names.insert(&grant.name) {
            return Err(refuse_grant(process, grant, format_args!("there are two grants of this name")));
        }
    }
    for service in &process.serves {
        if !capset::is_valid_name(&service.name) || !names.insert(&service.name) {
            let name = &service.name;
            return Err(refuse(process, format_args!("service \"{name}\": no name, or one that is taken")));
        }
        if service.interface == 0 || service.methods == 0 {
            let name = &service.name;
            return Err(refuse(process, format_args!("service \"{name}\": no interface, or no methods")));
        }
    }
    if names.len() > capset::ENTRIES_MAX {
        let (count, most) = (names.len(), capset::ENTRIES_MAX);
        return Err(refuse(process, format_args!("{count} grants; a CapSet holds {most}")));
    }
    Ok(())
}

fn check_grant(
    process: &Process<'_>,
    grant: &Grant,
    processes: &[Process<'_>],
    parts: &[Part],
) -> Result<(), Refusal> {
    if !capset::is_valid_name(&grant.name) {
        let most = capset::NAME_BYTES_MAX;
        return Err(refuse_grant(process, grant, format_args!("a name has 1 to {most} bytes and no NUL")));
    }
    let Some((name, all)) = offered(grant, processes) else {
        let (server, name) = &grant.service;
        return Err(refuse_grant(process, grant, format_args!("\"{server}\" does not serve \"{name}\"")));
    };
    if grant.methods == 0 || grant.methods & !all != 0 {
        let methods = grant.methods;
        return Err(refuse_grant(
            process,
            grant,
            format_args!("methods {methods:#b}; {name} has {all:#b}, and one at least must be granted"),
        ));
    }
    if grant.source == Source::Part {
        expect_part(process, &alloc::format!("grant \"{}\"", grant.name), &grant.part, parts)?;
    }
    Ok(())
}

fn expect_part(process: &Process<'_>, what: &str, name: &str, parts: &[Part]) -> Result<(), Refusal> {
    if parts.iter().any(|part| part.name == name) {
        Ok(())
    } else {
        Err(refuse(process, format_args!("{what}: the boot image has no part \"{name}\"")))
    }
}

fn refuse(process: &Process<'_>, reason: core::fmt::Arguments<'_>) -> Refusal {
    Refusal::invalid(&process.name, reason)
}

fn refuse_grant(process: &Process<'_>, grant: &Grant, reason: core::fmt::Arguments<'_>) -> Refusal {
    refuse(process, format_args!("grant \"{}\": {reason}", grant.name))
}
