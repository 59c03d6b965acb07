//! A whole system as a type: processes, what each holds, and the files that become parts of the image.
//!
//! Made by the checks of `resolve`, from a CUE file or from the options of `capos run`; written for init and read back by
//! `wire`, printed by `describe`, turned into an image by the host command. The fields are those of
//! `schema/manifest.capnp` and `schema/launch.capnp`.
//!
//! Invariant: a value of this type is only a description. What is granted is exactly the list of grants, and `module` and
//! `launch` to a WASI instance; nothing else is implied.

use std::path::PathBuf;
use std::time::Duration;

use capos_abi::ring::Layout;
use capos_abi::share::PERIOD_NANOSECONDS;
use capos_schema::console::Console;
use capos_schema::interface::Description;
use serde::Deserialize;

use crate::sources::{Device, reaches_all_memory};

/// Bytes of memory of the largest machine: more than those have that capOS is meant for.
pub(crate) const MACHINE_MAX: u64 = 1 << 40;
/// Bytes of a machine's memory that no process can have set aside for it, besides the image: the kernel, its heap, and the
/// programs that come with capOS.
const KERNEL_BYTES: u64 = 128 << 20;
/// Of the other memory one byte for so many: the kernel's records of frames and its tables, which need 1.8 %.
const RECORDS: u64 = 32;
/// The weights of all processes together at most: init keeps one itself.
pub(crate) const WEIGHT_MOST: u32 = capos_abi::share::WEIGHT_TOTAL - 1;

/// Processes at most that a manifest lists; the drivers come on top. What the evaluation of its text can take, with room to
/// spare.
pub(crate) const PROCESSES_MAX: usize = 1_024;

/// A system: the typed form of `schema/manifest.capnp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// What it is called.
    pub name: String,
    /// The process whose end is the outcome of the run.
    pub main: String,
    /// In the order in which they are started, those that drive a device before all others.
    pub processes: Vec<Process>,
    /// Bytes of memory of the machine that it is meant for; `None` = as much as it needs.
    pub machine_memory: Option<u64>,
}

/// One process of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name, distinct within the system, 1 to 64 bytes.
    pub name: String,
    /// The part of the image with its ELF.
    pub image: String,
    /// All that it holds.
    pub grants: Vec<Grant>,
    /// Bytes at most, everything that the kernel keeps for it included.
    pub memory_limit: u64,
    /// Of these the bytes that are set aside: the machine has to have them.
    pub memory_reserve: u64,
    /// Its share of the processor.
    pub processor: ProcessorLimits,
    /// Bytes of its stack; 0 = the default.
    pub stack_bytes: u64,
    /// How long it may run, by the clock on the wall; `None` = without limit.
    pub wall_clock: Option<Duration>,
    /// What a WASI instance is told at its start.
    pub launch: Option<Launch>,
    /// The part of the image with its wasm module.
    pub module: Option<String>,
    /// Ring sizes; 0 = the default of each.
    pub rings: RingSizes,
    /// Endpoints whose calls it receives.
    pub serves: Vec<Service>,
    /// What follows its end.
    pub restart: Restart,
}

/// An endpoint of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name of the receive side in the process's CapSet, and of what it offers.
    pub name: String,
    /// What others call.
    pub interface: &'static Description,
    /// The methods that there are for them.
    pub methods: u64,
}

/// What follows the end of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// After which ends it is started again.
    pub when: When,
    /// How many times at most.
    pub most: u32,
    /// The wait before the first time; each following one is twice as long, up to a minute.
    pub delay: Duration,
}

/// After which ends a process is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// After none.
    #[default]
    Never,
    /// After all but an exit with code 0.
    OnFailure,
    /// After all.
    Always,
}

/// What a process may have of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessorLimits {
    /// Its part while others want the processor too: so much of the weights of those that do.
    pub weight: u32,
    /// So much of the processor in each period, budget first; `None` = without limit.
    pub rate: Option<(Duration, Duration)>,
}

impl Default for ProcessorLimits {
    fn default() -> ProcessorLimits {
        ProcessorLimits { weight: ProcessorLimits::WEIGHT, rate: None }
    }
}

impl ProcessorLimits {
    /// The weight of a process that states none.
    pub const WEIGHT: u32 = capos_abi::share::WEIGHT_DEFAULT;

    /// True if the kernel takes these limits.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_rate = |(budget, period): (Duration, Duration)| {
            let nanoseconds = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
            PERIOD_NANOSECONDS.contains(&nanoseconds) && !budget.is_zero() && budget <= period
        };
        self.weight > 0 && self.rate.is_none_or(is_rate)
    }
}

/// Sizes of a process's rings and message area; 0 = the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSizes {
    /// Entries of the submission ring.
    pub submission_entries: u32,
    /// Entries of the completion ring.
    pub completion_entries: u32,
    /// Bytes of the message area.
    pub area_bytes: u32,
}

/// One capability of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name in the process's CapSet.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// Bit n permits method n.
    pub methods: u64,
}

/// What can be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A Console with the process's name, standard output.
    ConsoleOutput,
    /// A Console with the process's name, standard error.
    ConsoleError,
    /// Whose streams the console carries.
    ConsoleNames,
    /// The monotonic clock.
    Timer,
    /// Random bytes.
    EntropySource,
    /// What feeds the random generator.
    EntropySink,
    /// The process's own address space.
    VirtualMemory,
    /// One part of the boot image, by name.
    Part(String),
    /// What the process uses, and may.
    Accounting,
    /// The right to create processes.
    ProcessSpawner,
    /// All parts of the boot image.
    BootPackage,
    /// The right to make pages executable.
    CodeMemory,
    /// What a process serves.
    Service {
        /// The process.
        process: String,
        /// The endpoint.
        service: Service,
    },
    /// The right to drive the machine's device of a kind.
    Device(Device),
}

/// What a WASI instance is told at its start: the typed form of `schema/launch.capnp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// argv, argv\[0\] first; bytes without NUL.
    pub arguments: Vec<Vec<u8>>,
    /// `KEY=VALUE`, bytes without NUL.
    pub environment: Vec<Vec<u8>>,
    /// Fuel units at most; `None` = without limit.
    pub fuel: Option<u64>,
    /// Bytes of linear memory at most.
    pub memory_limit: u64,
    /// Depth of wasm calls at most; 0 = the default.
    pub recursion_limit: u32,
    /// Bytes of the engine's value stack at most; 0 = the default.
    pub stack_bytes: u64,
    /// Directories in descriptor order, from 3.
    pub preopens: Vec<Preopen>,
    /// The module's name in reports.
    pub module_name: String,
    /// True if the image states that the module was validated. Who makes the image of it has to see to that.
    pub validated: bool,
}

/// One directory that a WASI instance finds open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preopen {
    /// The capability's name in the CapSet.
    pub capability: String,
    /// The path that the guest sees.
    pub path: String,
}

/// Where the bytes of a part come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A file of the host.
    File(PathBuf),
    /// Bytes at hand.
    Bytes(Vec<u8>),
}

/// A system together with the parts that its manifest names: all that `capos build` puts into an image, besides the kernel
/// and init.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// The system.
    pub system: System,
    /// Each part by name, in the order in which they are written.
    pub parts: Vec<(String, Contents)>,
    /// The files of the host that the parts were or will be read from: who writes a file must not choose one of these.
    pub files: Vec<PathBuf>,
}

impl Process {
    /// True for a process that drives a device.
    #[must_use]
    pub fn is_driver(&self) -> bool {
        self.grants.iter().any(|grant| matches!(grant.source, Source::Device(_)))
    }

    /// True for a process that drives a device of this kind.
    pub(crate) fn drives(&self, device: Device) -> bool {
        self.grants.iter().any(|grant| grant.source == Source::Device(device))
    }

    /// True for the process that drives the console and serves it: everybody's standard output and standard error.
    #[must_use]
    pub fn serves_console(&self) -> bool {
        self.drives(Device::Console) && self.serves.iter().any(|service| service.interface.id == Console::ID)
    }

    /// True if what the process can reach through its device ends only where the machine's memory does.
    #[must_use]
    pub fn reaches_all_memory(&self) -> bool {
        self.grants.iter().any(|grant| reaches_all_memory(&grant.source, grant.methods))
    }
}

impl System {
    /// Bytes that are set aside for all processes together.
    #[must_use]
    pub fn memory_total(&self) -> u64 {
        self.processes.iter().fold(0, |sum: u64, process| sum.saturating_add(process.memory_reserve))
    }

    /// Bytes that can be set aside for all processes together, on the machine that the system is meant for or on the largest
    /// one, with an image of so many bytes.
    #[must_use]
    pub fn memory_most(&self, image_bytes: u64) -> u64 {
        let Some(machine) = self.machine_memory else { return MACHINE_MAX };
        let others = machine.saturating_sub(KERNEL_BYTES).saturating_sub(image_bytes);
        others / (RECORDS + 1) * RECORDS
    }
}

/// Bytes of memory of a machine on which so many can be set aside for processes, with an image of so many bytes.
#[must_use]
pub const fn machine_bytes(reserves: u64, image_bytes: u64) -> u64 {
    reserves
        .saturating_add(reserves.div_ceil(RECORDS))
        .saturating_add(image_bytes)
        .saturating_add(KERNEL_BYTES)
}

impl RingSizes {
    /// True if the kernel takes these sizes, its defaults in place of each 0.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let or = |size: u32, default: u32| if size == 0 { default } else { size };
        let layout = Layout {
            submission_entries: or(self.submission_entries, Layout::DEFAULT.submission_entries),
            completion_entries: or(self.completion_entries, Layout::DEFAULT.completion_entries),
            area_bytes: or(self.area_bytes, Layout::DEFAULT.area_bytes),
        };
        layout.is_valid()
    }
}
