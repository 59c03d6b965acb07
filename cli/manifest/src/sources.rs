//! What the kernel and services offer, and how capabilities and methods are called.
//!
//! The one table behind the word "kernel" in a manifest. Called by `resolve` (may this be granted?), `verify` (is an
//! image's grant one of these?) and `describe` (which interface is it?); calls the tables of `capos-schema`.
//!
//! Invariant: no row offers a method that its interface does not have.

use capos_schema::accounting::Accounting;
use capos_schema::boot_package::BootPackage;
use capos_schema::code_memory::CodeMemory;
use capos_schema::console::Console;
use capos_schema::device;
use capos_schema::endpoint::Endpoint;
use capos_schema::entropy_sink::EntropySink;
use capos_schema::entropy_source::EntropySource;
use capos_schema::interface::{Description, Interface, mask};
use capos_schema::memory_object::MemoryObject;
use capos_schema::process_spawner::ProcessSpawner;
use capos_schema::timer::Timer;
use capos_schema::virtual_memory::VirtualMemory;

use crate::system::Source;

/// A capability that somebody holds or offers.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// What init makes it from.
    pub(crate) source: Source,
    /// Its interface.
    pub(crate) interface: &'static Description,
    /// The methods that the holder may call, and hand on.
    pub(crate) methods: u64,
}

/// The names at the kernel, without those of the parts.
const KERNEL: [(&str, Source); 15] = [
    ("stdout", Source::ConsoleOutput),
    ("stderr", Source::ConsoleError),
    ("console-names", Source::ConsoleNames),
    ("timer", Source::Timer),
    ("random", Source::EntropySource),
    ("entropy-sink", Source::EntropySink),
    ("memory", Source::VirtualMemory),
    ("accounting", Source::Accounting),
    ("spawner", Source::ProcessSpawner),
    ("boot", Source::BootPackage),
    ("code", Source::CodeMemory),
    (Device::Network.name(), Source::Device(Device::Network)),
    (Device::Block.name(), Source::Device(Device::Block)),
    (Device::Console.name(), Source::Device(Device::Console)),
    (Device::Entropy.name(), Source::Device(Device::Entropy)),
];

/// The kinds of devices that a process can drive, by their numbers in the virtio specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Device {
    /// A network card.
    Network = 1,
    /// A disk.
    Block = 2,
    /// A console with several ports.
    Console = 3,
    /// The host's random source.
    Entropy = 4,
}

impl Device {
    const ALL: [Device; 4] = [Device::Network, Device::Block, Device::Console, Device::Entropy];

    /// What the kernel offers it as.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Device::Network => "virtio-net",
            Device::Block => "virtio-blk",
            Device::Console => "virtio-console",
            Device::Entropy => "virtio-rng",
        }
    }

    /// The kind with this number.
    pub(crate) fn from_number(number: u32) -> Option<Device> {
        Device::ALL.into_iter().find(|device| *device as u32 == number)
    }
}

/// What the kernel offers under which name, without the parts.
pub(crate) fn kernel_offers() -> impl Iterator<Item = (&'static str, Held)> {
    KERNEL.into_iter().map(|(name, source)| (name, offered(&source)))
}

/// What a source is, with all that the kernel offers of it.
pub(crate) fn offered(source: &Source) -> Held {
    let (interface, methods) = match source {
        // `finish` ends the run: init alone has it.
        Source::ConsoleOutput | Source::ConsoleError => (Console::DESCRIPTION, mask(&[Console::WRITE])),
        Source::Timer => (Timer::DESCRIPTION, Timer::ALL_METHODS),
        Source::EntropySource => (EntropySource::DESCRIPTION, EntropySource::ALL_METHODS),
        // Waiting for the seed is init's: one may wait at a time.
        Source::EntropySink => (EntropySink::DESCRIPTION, mask(&[EntropySink::FEED])),
        Source::Accounting => (Accounting::DESCRIPTION, Accounting::ALL_METHODS),
        Source::VirtualMemory => (VirtualMemory::DESCRIPTION, VirtualMemory::ALL_METHODS),
        // They are sealed, so reading is all that there is.
        Source::Part(_) | Source::ConsoleNames => {
            (MemoryObject::DESCRIPTION, mask(&[MemoryObject::INFO, MemoryObject::READ]))
        }
        Source::ProcessSpawner => (ProcessSpawner::DESCRIPTION, ProcessSpawner::ALL_METHODS),
        Source::BootPackage => (BootPackage::DESCRIPTION, BootPackage::ALL_METHODS),
        Source::CodeMemory => (CodeMemory::DESCRIPTION, CodeMemory::ALL_METHODS),
        Source::Service { service, .. } => (service.interface, service.methods),
        Source::Device(_) => (device::Device::DESCRIPTION, device::Device::ALL_METHODS),
    };
    Held { source: source.clone(), interface, methods }
}

/// True for a capability that belongs to one process: its console carries its name, its memory and its account are its own.
pub(crate) fn is_personal(source: &Source) -> bool {
    matches!(
        source,
        Source::ConsoleOutput | Source::ConsoleError | Source::VirtualMemory | Source::Accounting
    )
}

/// What a process may do with the receive side of what it serves.
pub(crate) const RECEIVE_SIDE: (&Description, u64) = (Endpoint::DESCRIPTION, Endpoint::ALL_METHODS);
/// True if the holder of this may have its device access memory: without an IOMMU that is all of the machine's.
pub(crate) fn reaches_all_memory(source: &Source, methods: u64) -> bool {
    let needed = mask(&[device::Device::OPEN, device::Device::ALLOCATE]);
    matches!(source, Source::Device(_)) && methods & needed != 0
}

/// The names of the methods in a mask, in the order of the schema.
pub(crate) fn method_names(interface: &Description, methods: u64) -> Vec<&'static str> {
    interface.methods.iter().filter(|method| method.mask() & methods != 0).map(|method| method.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_offers_what_the_schema_has() {
        for (name, held) in kernel_offers() {
            assert_ne!(held.methods, 0, "{name}");
            assert_eq!(held.methods & !held.interface.all_methods, 0, "{name}");
        }
        assert_eq!(method_names(Console::DESCRIPTION, offered(&Source::ConsoleError).methods), ["write"]);
        let part = offered(&Source::Part("x".to_owned()));
        assert_eq!(method_names(part.interface, part.methods), ["info", "read"]);
    }
}
