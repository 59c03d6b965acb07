//! The drivers that come with capOS: what each drives, what it holds, and when a system needs it.
//!
//! The one table behind `drivers` in a manifest. Called by `resolve`, which adds them to the processes of a system, and by
//! `instance`; calls the tables of `sources`.
//!
//! Invariant: a driver holds its device, what it serves it for, and what its program needs; nothing else.

use std::time::Duration;

use capos_schema::console::Console;
use capos_schema::entropy_sink::EntropySink;
use capos_schema::interface::{Description, Interface, mask};
use capos_schema::memory_object::MemoryObject;
use capos_schema::timer::Timer;
use capos_schema::virtual_memory::VirtualMemory;

use crate::document::{Caps, Instance, Methods};
use crate::sources::{Device, offered};
use crate::system::{Grant, Process, ProcessorLimits, Restart, RingSizes, Service, Source, When};

/// A driver that a manifest can name. Its program, and its process, are called as it is.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Its name.
    pub(crate) name: &'static str,
    device: Device,
    /// What it holds besides its device: the name, what it is, and the methods.
    holds: &'static [(&'static str, Source, u64)],
    /// What others call, if it is a service.
    service: Option<(&'static str, &'static Description, u64)>,
    /// Which systems need it.
    need: Need,
}

/// Which systems need a driver.
#[derive(Debug)]
enum Need {
    /// All in which no other process drives its device: init speaks through it.
    Always,
    /// Those in which somebody is granted what works only with it, and instances that are given such a grant.
    For(fn(&Source) -> bool, fn(&Caps) -> bool),
}

/// Bytes of memory that a driver may use: a small program, its rings, and the memory that it shares with its device.
const MEMORY: u64 = 1 << 20;
/// How often a driver is started again.
const RESTARTS: u32 = 3;
/// How long the first of these waits.
const DELAY: Duration = Duration::from_millis(10);
/// Bytes of a driver's stack.
const STACK: u64 = 32 << 10;

/// All drivers, in the order of their start.
pub(crate) const DRIVERS: [Driver; 2] = [
    Driver {
        name: "virtio-console",
        device: Device::Console,
        holds: &[
            ("names", Source::ConsoleNames, mask(&[MemoryObject::INFO, MemoryObject::READ])),
            ("timer", Source::Timer, mask(&[Timer::NOW])),
            ("memory", Source::VirtualMemory, VirtualMemory::ALL_METHODS),
        ],
        // Nobody is granted the root: init makes what it gives to others.
        service: Some(("console", Console::DESCRIPTION, mask(&[Console::FINISH]))),
        need: Need::Always,
    },
    Driver {
        name: "virtio-rng",
        device: Device::Entropy,
        holds: &[
            ("entropy-sink", Source::EntropySink, mask(&[EntropySink::FEED])),
            ("timer", Source::Timer, mask(&[Timer::NOW, Timer::SLEEP])),
            ("memory", Source::VirtualMemory, VirtualMemory::ALL_METHODS),
        ],
        service: None,
        need: Need::For(
            |source| matches!(source, Source::EntropySource),
            |caps| caps.random != Methods::Whole(false),
        ),
    },
];

impl Driver {
    /// The driver with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Driver> {
        DRIVERS.iter().find(|driver| driver.name == name)
    }

    /// True if a system of these processes needs it.
    pub(crate) fn is_needed(&self, processes: &[Process]) -> bool {
        let mut sources = processes.iter().flat_map(|process| &process.grants).map(|grant| &grant.source);
        match self.need {
            Need::Always => !processes.iter().any(|process| process.drives(self.device)),
            Need::For(works_with_it, _) => sources.any(works_with_it),
        }
    }

    /// True if a system needs it whatever it names.
    pub(crate) fn is_indispensable(&self) -> bool {
        matches!(self.need, Need::Always)
    }

    /// True if this instance needs it.
    pub(crate) fn serves(&self, instance: &Instance) -> bool {
        match self.need {
            Need::Always => true,
            Need::For(_, is_used_by) => is_used_by(&instance.caps),
        }
    }

    /// Its process, whose program is the part `image`.
    pub(crate) fn process(&self, image: String) -> Process {
        let device = Source::Device(self.device);
        let methods = offered(&device).methods;
        let mut grants = vec![Grant { name: "device".to_owned(), source: device, methods }];
        let held = self.holds.iter().map(|(name, source, methods)| Grant {
            name: (*name).to_owned(),
            source: source.clone(),
            methods: *methods,
        });
        grants.extend(held);
        Process {
            name: self.name.to_owned(),
            image,
            grants,
            memory_limit: MEMORY,
            memory_reserve: MEMORY,
            processor: ProcessorLimits::default(),
            stack_bytes: STACK,
            wall_clock: None,
            launch: None,
            module: None,
            rings: RingSizes::default(),
            serves: self
                .service
                .map(|(name, interface, methods)| Service { name: name.to_owned(), interface, methods })
                .into_iter()
                .collect(),
            restart: Restart { when: When::Always, most: RESTARTS, delay: DELAY },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_driver_holds_more_than_is_offered() {
        for driver in &DRIVERS {
            assert_eq!(Driver::find(driver.name).map(|found| found.name), Some(driver.name));
            for grant in driver.process(driver.name.to_owned()).grants {
                assert_eq!(
                    grant.methods & !offered(&grant.source).methods,
                    0,
                    "{}: {}",
                    driver.name,
                    grant.name
                );
            }
        }
    }
}
