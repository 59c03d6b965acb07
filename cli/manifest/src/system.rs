//! The system as it boots: processes, and exactly what each of them is granted.
//!
//! Made by the checks of `resolve` or read back from an image by `wire`; encoded for init by `wire`, printed by
//! `describe`. The fields are those of `schema/manifest.capnp`.
//!
//! Invariant: nothing here is implied: a capability that is not among the grants is not given, except `module` and
//! `launch`, which every WASI instance has.

use crate::blob::Blob;

/// A checked system: what init reads, and the files that become the other parts of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// What init reads.
    pub manifest: SystemManifest,
    /// One for each part that the manifest names, each part once.
    pub blobs: Vec<Blob>,
}

/// Version of the message's meaning.
pub const VERSION: u32 = 1;

/// A whole system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemManifest {
    /// Its name.
    pub name: String,
    /// The process whose end is the outcome of the run.
    pub main: String,
    /// In the order in which they are started.
    pub processes: Vec<Process>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name, 1 to 64 bytes.
    pub name: String,
    /// The boot image's part with its ELF.
    pub image: String,
    /// What it holds.
    pub grants: Vec<Grant>,
    /// Bytes of memory, the kernel's share included.
    pub memory_limit: u64,
    /// Bytes of native stack; 0 for the default.
    pub stack_bytes: u64,
    /// Nanoseconds after which it is ended; 0 for no limit.
    pub wall_clock_nanoseconds: u64,
    /// What a WASI instance is told; none for any other process.
    pub launch: Option<Launch>,
    /// The part with the wasm module; empty for none.
    pub module: String,
    /// Ring sizes: submissions, completions, bytes of the message area; 0 for the default of each.
    pub rings: [u32; 3],
}

/// One capability of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name in the CapSet.
    pub name: String,
    /// What it is.
    pub source: Source,
    /// Bit n permits method n.
    pub methods: u64,
    /// The boot image's part for [`Source::Part`]; else empty.
    pub part: String,
}

/// What can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A Console for standard output that carries the process's name.
    ConsoleOutput,
    /// The same for standard error.
    ConsoleError,
    /// The monotonic clock.
    Timer,
    /// Random bytes.
    EntropySource,
    /// The process's own address space.
    VirtualMemory,
    /// A part of the boot image as a memory object.
    Part,
    /// The right to create processes.
    ProcessSpawner,
    /// All parts of the boot image.
    BootPackage,
}

/// What a WASI instance is told at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// argv, argv\[0\] first.
    pub arguments: Vec<Vec<u8>>,
    /// `KEY=VALUE`.
    pub environment: Vec<Vec<u8>>,
    /// Fuel units at most; 0 for no limit.
    pub fuel: u64,
    /// Bytes of linear memory at most.
    pub memory_limit: u64,
    /// Depth of wasm calls at most; 0 for the default.
    pub recursion_limit: u32,
    /// Bytes of the engine's value stack at most; 0 for the default.
    pub stack_bytes: u64,
    /// Directories in descriptor order, from 3.
    pub preopens: Vec<Preopen>,
    /// The module's name, for reports.
    pub module_name: String,
}

/// A directory of a WASI instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preopen {
    /// Its capability's name in the CapSet.
    pub capability: String,
    /// What the guest sees.
    pub path: String,
}

impl SystemManifest {
    /// Bytes that all processes together may use.
    #[must_use]
    pub fn memory_total(&self) -> u64 {
        self.processes.iter().fold(0, |sum: u64, process| sum.saturating_add(process.memory_limit))
    }
}
