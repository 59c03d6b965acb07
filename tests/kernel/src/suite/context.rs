//! What the suite holds.
//!
//! Made by `main` from the CapSet; used by every test.
//!
//! Invariant: all of it was granted by the manifest; nothing is made up.

use capos_rt::schema::boot_package::BootPackage;
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::console::Console;
use capos_rt::schema::device::Device;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet};

/// The suite's capabilities.
pub(crate) struct Context {
    pub(crate) console: Cap<Console>,
    pub(crate) timer: Cap<Timer>,
    pub(crate) random: Cap<EntropySource>,
    pub(crate) memory: Cap<VirtualMemory>,
    pub(crate) spawner: Cap<ProcessSpawner>,
    pub(crate) boot: Cap<BootPackage>,
    /// A random source.
    pub(crate) device: Cap<Device>,
    pub(crate) code: Cap<CodeMemory>,
    /// The program `crash`.
    pub(crate) crash: Cap<MemoryObject>,
}

impl Context {
    /// Takes everything out of the CapSet.
    ///
    /// # Errors
    /// The name of what is not there.
    pub(crate) fn new(capabilities: &CapSet) -> Result<Context, &'static str> {
        fn get<T: Interface>(capabilities: &CapSet, name: &'static str) -> Result<Cap<T>, &'static str> {
            capabilities.get(name).map_err(|_| name)
        }
        Ok(Context {
            console: get(capabilities, "stdout")?,
            timer: get(capabilities, "timer")?,
            random: get(capabilities, "random")?,
            memory: get(capabilities, "memory")?,
            spawner: get(capabilities, "spawner")?,
            boot: get(capabilities, "boot")?,
            device: get(capabilities, "device")?,
            code: get(capabilities, "code")?,
            crash: get(capabilities, "crash")?,
        })
    }
}
