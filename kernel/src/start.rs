//! Start-up: from the hardware layer's hand-over to init.
//!
//! Called once by `main`. Checks the boot image, reads the options, feeds the random generator, and makes the one process
//! that the kernel makes of its own accord: init, with the root of every authority in its CapSet.
//!
//! Invariant: init is started from contents that were prepared or whose CRC was checked, or not at all; a start that fails says why and ends the
//! machine.

use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::log::log_line;
use crate::objects::Object;
use crate::processes::Process;
use crate::processes::build::{BuildError, Request};
use crate::processes::layout::{PAGE, STACK_BYTES_DEFAULT};
use crate::processes::name::Name;
use capos_abi::host::{EXIT_IMAGE_REFUSED, EXIT_KERNEL_FAILED};
use capos_abi::image::{INIT, ImageError, OPTIONS};
use capos_abi::package::Package;
use capos_abi::ring::Layout;
use capos_kernel_core::account::Pot;
use capos_kernel_core::capability::Capability;
use capos_kernel_core::options::Options;
use capos_kernel_core::pool::Id;
use capos_kernel_core::run_queue::WEIGHT_TOTAL;
use capos_kernel_hal::checksum::crc32c;
use capos_kernel_hal::{Hardware, cpu, entropy, frames, power};

/// Frames that are left to ring 0: what it may need for a moment that is in nobody's account.
const RESERVED_FRAMES: u64 = 64;
/// Frames that are set aside for init itself: manifest and plan; a machine with less than eight times that sets an eighth
/// aside.
const INIT_FRAMES: u64 = 1024;
/// Bytes that init may promise to processes: more than any machine has. How much of it is set aside is the manifest's
/// affair, and that cannot be more than there is.
const LIMIT: u64 = 1 << 48;
/// Bytes taken from the processor's random source at start-up.
const RANDOM_BYTES: usize = 64;

/// Makes the kernel and starts init.
pub(crate) fn boot(hardware: Hardware) -> Kernel {
    log_hardware();
    let bytes = hardware.ramdisk.bytes();
    let package = Package::parse(bytes).unwrap_or_else(|error| refuse(format_args!("{error}")));
    let options = read_options(&package);
    let mut kernel = Kernel::new(hardware, package)
        .unwrap_or_else(|_| fail(format_args!("the machine has too little memory for the kernel's tables")));
    kernel.feed_generator();
    kernel.start_init();
    kernel.clock.settle();
    log_line!("clock {} Hz ({})", kernel.clock.time_stamp_frequency(), kernel.clock.calibration());
    if options.fail_allocation.is_some() {
        frames::fail_allocation(options.fail_allocation);
    }
    kernel
}

fn fail(reason: core::fmt::Arguments<'_>) -> ! {
    log_line!("cannot start: {reason}");
    power::exit(EXIT_KERNEL_FAILED)
}

/// The boot image cannot be started, whatever the machine.
fn refuse(reason: core::fmt::Arguments<'_>) -> ! {
    log_line!("refused: {reason}");
    power::exit(EXIT_IMAGE_REFUSED)
}

fn log_hardware() {
    let features = cpu::features();
    log_line!("capOS {}: {} MiB free", env!("CARGO_PKG_VERSION"), frames::free_count() / 256);
    log_line!(
        "smep {} smap {} umip {} rdseed {} rdrand {} hypervisor {}",
        features.smep,
        features.smap,
        features.umip,
        features.rdseed,
        features.rdrand,
        features.hypervisor,
    );
    log_line!("speculative side channels between processes are not closed");
}

fn read_options(package: &Package<'static>) -> Options {
    let text = match package.verify_by(OPTIONS, crc32c) {
        Ok(text) => text,
        Err(ImageError::Missing(_)) => return Options::default(),
        Err(error) => refuse(format_args!("{error}")),
    };
    let text = str::from_utf8(text).unwrap_or_else(|_| refuse(format_args!("kernel options: not UTF-8")));
    Options::parse(text).unwrap_or_else(|error| refuse(format_args!("{error}")))
}

impl Kernel {
    /// Feeds the generator from the processor. The host's random source has a driver, which feeds it later.
    fn feed_generator(&mut self) {
        let mut bytes = [0; RANDOM_BYTES];
        let from_seed = fill_from(&mut bytes, entropy::rdseed);
        let processor = if from_seed > 0 {
            self.generator.feed_counted(bytes.get(..from_seed).unwrap_or(&[]));
            ("RDSEED", from_seed)
        } else {
            let from_random = fill_from(&mut bytes, entropy::rdrand);
            self.generator.feed_counted(bytes.get(..from_random).unwrap_or(&[]));
            ("RDRAND", from_random)
        };
        let state = if self.generator.is_seeded() { "seeded" } else { "not seeded: it refuses" };
        let (name, count) = processor;
        log_line!("random generator: {count} bytes of {name}; {state}");
    }

    fn start_init(&mut self) {
        if let Err(error) = self.package.verify_by(INIT, crc32c) {
            refuse(format_args!("{error}"));
        }
        let part = self.package.find(INIT).unwrap_or_else(|error| refuse(format_args!("{error}")));
        let image = self.create_part_object(None, part.offset, part.length);
        let image = image.unwrap_or_else(|error| fail(format_args!("init: {error}")));
        let free = (frames::free_count() as u64).saturating_sub(RESERVED_FRAMES);
        self.pot = Pot::new(free * PAGE);
        let name = Name::new(INIT).unwrap_or_else(|| fail(format_args!("init: bad name")));
        let request = Request {
            name,
            image,
            memory_limit: LIMIT,
            memory_reserve: INIT_FRAMES.min(free / 8) * PAGE,
            stack_bytes: STACK_BYTES_DEFAULT,
            layout: Layout::DEFAULT,
            weight: WEIGHT_TOTAL,
            rate: None,
            parent: None,
        };
        let init = self.build_process(&request).unwrap_or_else(|error| match error {
            BuildError::Elf(error) => refuse(format_args!("boot image: part \"init\": {}", error.text())),
            BuildError::Transport(error) => fail(format_args!("init: {error}")),
        });
        self.first_process = Some(init);
        for (name, object) in [
            ("timer", Object::Timer),
            ("entropy", Object::EntropySource),
            ("entropy-sink", Object::EntropySink),
            ("memory", Object::VirtualMemory(init)),
            ("boot", Object::BootPackage),
            ("code", Object::CodeMemory),
            ("spawner", Object::ProcessSpawner),
            ("machine", Object::Machine),
            ("devices", Object::Devices),
            ("accounting", Object::Accounting(init)),
        ] {
            self.grant_root(init, name, object);
        }
        if self.start(init).is_err() {
            fail(format_args!("init does not start"));
        }
    }

    /// Gives init a capability with every method, which comes from nobody.
    fn grant_root(&mut self, init: Id<Process>, name: &str, object: Object) {
        let charged = self.take_entries(init, Kind::Capability, 1).is_ok();
        let Some(root) = self.nodes.root(init.index()).ok().filter(|_| charged) else {
            fail(format_args!("init: no node for \"{name}\""));
        };
        let Some(description) = object.description() else {
            fail(format_args!("init: \"{name}\" is no object of the kernel"));
        };
        let (interface, methods) = (description.id, description.all_methods);
        let capability = Capability { object, interface, methods, node: root };
        if let Err(error) = self.grant_capability(init, name, capability) {
            fail(format_args!("init: grant \"{name}\": {error}"));
        }
        // The child stands for itself: the node that it came from is nobody's.
        let owner = self.nodes.release(root);
        self.end_charge(owner);
    }
}

/// Fills `bytes` from a source of words; returns how many it gave.
fn fill_from(bytes: &mut [u8], source: impl Fn() -> Option<u64>) -> usize {
    let mut count = 0;
    for place in bytes.chunks_exact_mut(size_of::<u64>()) {
        let Some(word) = source() else { break };
        place.copy_from_slice(&word.to_le_bytes());
        count += place.len();
    }
    count
}
