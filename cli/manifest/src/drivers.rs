//! The drivers that come with capOS: what each drives, what it holds, and when a system needs it.
//!
//! The one table behind `drivers` in a manifest. Called by `resolve`, which adds them to the processes of a system, and by
//! `instance`; calls the tables of `sources`.
//!
//! Invariant: a driver holds its device, what it serves it for, and what its program needs; nothing else.

use std::time::Duration;

use capos_schema::entropy_sink::EntropySink;
use capos_schema::interface::mask;
use capos_schema::timer::Timer;
use capos_schema::virtual_memory::VirtualMemory;

use crate::document::{Caps, Instance, Methods};
use crate::sources::{Device, offered};
use crate::system::{Grant, Process, ProcessorLimits, Restart, RingSizes, Source, When};

/// A driver that a manifest can name. Its program, and its process, are called as it is.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Its name.
    pub(crate) name: &'static str,
    device: Device,
    /// What it holds besides its device: the name, what it is, and the methods.
    holds: &'static [(&'static str, Source, u64)],
    /// True for a grant that works only with this driver.
    serves: fn(&Source) -> bool,
    /// True if an instance is given such a grant.
    is_used_by: fn(&Caps) -> bool,
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
pub(crate) const DRIVERS: [Driver; 1] = [Driver {
    name: "virtio-rng",
    device: Device::Entropy,
    holds: &[
        ("entropy-sink", Source::EntropySink, mask(&[EntropySink::FEED])),
        ("timer", Source::Timer, mask(&[Timer::NOW, Timer::SLEEP])),
        ("memory", Source::VirtualMemory, VirtualMemory::ALL_METHODS),
    ],
    serves: |source| matches!(source, Source::EntropySource),
    is_used_by: |caps| caps.random != Methods::Whole(false),
}];

impl Driver {
    /// The driver with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Driver> {
        DRIVERS.iter().find(|driver| driver.name == name)
    }

    /// True if one of these processes holds what works only with it.
    pub(crate) fn is_needed(&self, processes: &[Process]) -> bool {
        processes.iter().flat_map(|process| &process.grants).any(|grant| (self.serves)(&grant.source))
    }

    /// True if this instance needs it.
    pub(crate) fn serves(&self, instance: &Instance) -> bool {
        (self.is_used_by)(&instance.caps)
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
            serves: Vec::new(),
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
