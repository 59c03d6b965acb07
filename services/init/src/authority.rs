//! What init holds, from its CapSet.
//!
//! Taken once by `run`; lent to everything else.
//!
//! Invariant: complete: init does not begin without each of these.

use capos_rt::schema::boot_package::BootPackage;
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::devices::Devices;
use capos_rt::schema::entropy_sink::EntropySink;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::machine::Machine;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

use crate::devices::Inventory;
use crate::end::Refusal;

/// init's own capabilities.
pub struct Authority {
    /// The monotonic clock.
    pub timer: Cap<Timer>,
    /// Random bytes, to be granted.
    pub entropy: Cap<EntropySource>,
    /// What feeds the random generator, to be granted to a random device's driver.
    pub sink: Cap<EntropySink>,
    /// init's own address space.
    pub memory: Cap<VirtualMemory>,
    /// The boot image.
    pub boot: Cap<BootPackage>,
    /// The right to make pages executable, to be granted.
    pub code: Cap<CodeMemory>,
    /// The machine's devices, to be granted to their drivers.
    pub devices: Inventory,
    /// The right to create processes.
    pub spawner: Cap<ProcessSpawner>,
    /// The right to end the run.
    pub machine: Cap<Machine>,
}

impl Authority {
    /// Looks everything up.
    ///
    /// # Errors
    /// The first capability that is missing.
    pub fn take(capabilities: &CapSet) -> Result<Authority, Refusal> {
        Ok(Authority {
            timer: get(capabilities, "timer")?,
            entropy: get(capabilities, "entropy")?,
            sink: get(capabilities, "entropy-sink")?,
            memory: get(capabilities, "memory")?,
            boot: get(capabilities, "boot")?,
            code: get(capabilities, "code")?,
            devices: inventory(capabilities)?,
            spawner: get(capabilities, "spawner")?,
            machine: get(capabilities, "machine")?,
        })
    }
}

fn inventory(capabilities: &CapSet) -> Result<Inventory, Refusal> {
    let devices: Cap<Devices> = get(capabilities, "devices")?;
    Inventory::read(&devices).map_err(|error| Refusal::failed("reading the machine's devices", error))
}

fn get<T: Interface>(capabilities: &CapSet, name: &'static str) -> Result<Cap<T>, Refusal> {
    capabilities.get(name).map_err(|error| Refusal::of_init(format_args!("capability \"{name}\": {error}")))
}
