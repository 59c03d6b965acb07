//! From the CapSet to the end of the process.
//!
//! Called by `main`; calls the library and `capos-rt`.
//!
//! Invariant: what goes wrong outside of the module is an internal failure that names the capability, never an outcome of
//! the module.

use alloc::format;
use alloc::string::String;

use capos_rt::schema::console::Console;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, Mapping, process};
use capos_wasm::ending::Ending;
use capos_wasm::engine::Prepared;
use capos_wasm::launch::Launch;
use capos_wasm::lifecycle;
use capos_wasm::port::capability::{granted, ports};
use capos_wasm::refusal::Refusal;

/// Runs the module and ends the process.
pub(crate) fn main(capabilities: &CapSet) {
    let ending = run(capabilities).unwrap_or_else(Ending::Internal);
    process::end(ending.status(), &ending.report())
}

fn run(capabilities: &CapSet) -> Result<Ending, String> {
    let memory: Cap<VirtualMemory> = needed(capabilities, "memory")?;
    let log: Option<Cap<Console>> = granted(capabilities, "log")?;
    let module = contents(capabilities, &memory, "module")?;
    let launch = contents(capabilities, &memory, "launch")?;
    let (name, is_empty, ending) = match Launch::decode(&launch) {
        Ok(launch) => {
            let name = launch.module_name.clone();
            let (is_empty, ending) = end_of(&module, launch, capabilities)?;
            (name, is_empty, ending)
        }
        Err(error) => (String::new(), false, Ending::Invalid(Refusal::Launch(error))),
    };
    if let Some(log) = log {
        let line = lifecycle::line(&name, is_empty, &ending);
        log.write(line.as_bytes()).map_err(|error| format!("writing to the capability `log`: {error}"))?;
    }
    Ok(ending)
}

/// Runs the module; also tells whether it is an empty one.
fn end_of(module: &[u8], launch: Launch, capabilities: &CapSet) -> Result<(bool, Ending), String> {
    Ok(match Prepared::new(module, launch, ports(capabilities)?) {
        Ok(prepared) => (prepared.is_empty(), prepared.run()),
        Err(refusal) => (false, Ending::Invalid(refusal)),
    })
}

fn needed<T: Interface>(capabilities: &CapSet, name: &str) -> Result<Cap<T>, String> {
    granted(capabilities, name)?.ok_or_else(|| format!("the capability `{name}` is not granted"))
}

/// The contents of a granted memory object, mapped.
fn contents<'m>(
    capabilities: &CapSet,
    memory: &'m Cap<VirtualMemory>,
    name: &str,
) -> Result<Mapping<'m>, String> {
    let object: Cap<MemoryObject> = needed(capabilities, name)?;
    Mapping::new(memory, &object).map_err(|error| format!("mapping the capability `{name}`: {error}"))
}
