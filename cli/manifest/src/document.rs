//! A manifest as it is written: the fields of the CUE schema `manifests/defaults`, defaults filled in.
//!
//! Made by `load` from what `capos-manifest` prints, and by `instance` from the options of `capos run`; checked and
//! expanded by `resolve`, printed as CUE by `cue`.
//!
//! Invariant: every field of the schema is here under the same name; nothing has been checked beyond its type.

mod values;

use serde::Deserialize;

pub use crate::system::When;
pub use values::{Entries, Size, Text};

/// A whole manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the system is called.
    pub name: String,
    /// The process whose end is the outcome; none for the first one.
    pub main: Option<String>,
    /// The processes.
    pub processes: Vec<Process>,
    /// The edges between them.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// The drivers; none for those that the system needs.
    pub drivers: Option<Vec<String>>,
    /// The machine; none for one that is large enough.
    pub machine: Option<Machine>,
    /// Files that the kernel offers as memory objects.
    #[serde(default)]
    pub parts: Entries<String>,
}

/// The machine that a system is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Bytes of memory.
    pub memory: Size,
}

/// One process, of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Process {
    /// A WASI program in an adapter.
    Instance(Box<Instance>),
    /// A native program.
    Native(Box<Native>),
}

/// A WASI instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// What it is called.
    pub name: String,
    /// The processes that are started before it.
    #[serde(default)]
    pub after: Vec<String>,
    /// The module's file.
    pub binary: String,
    /// argv\[0\]; none for the file's name.
    pub argv0: Option<Text>,
    /// argv\[1\] and the rest.
    #[serde(default)]
    pub args: Vec<Text>,
    /// The environment.
    #[serde(default)]
    pub env: Entries<Text>,
    /// Its authority.
    #[serde(default)]
    pub caps: Caps,
    /// Its limits.
    #[serde(default)]
    pub limits: InstanceLimits,
    /// When the functions of its module are validated.
    #[serde(default)]
    pub verify: Verify,
}

/// When the functions of a module are validated, besides by who makes the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Each when it is called first.
    #[default]
    Call,
    /// All before the module starts.
    Boot,
}

/// The authority of a WASI instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// Standard output and standard error.
    pub console: Console,
    /// A console of the adapter's own.
    pub log: bool,
    /// The monotonic clock.
    pub timer: Methods,
    /// Random bytes.
    pub random: Methods,
    /// Directories.
    pub preopens: Vec<Preopen>,
}

/// Which standard streams are granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Console {
    /// Both or none.
    Whole(bool),
    /// One by one.
    Streams(Streams),
}

/// The standard streams one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl Default for Console {
    fn default() -> Console {
        Console::Whole(false)
    }
}

impl Console {
    /// Whether standard output and standard error are granted.
    #[must_use]
    pub fn streams(self) -> Streams {
        match self {
            Console::Whole(granted) => Streams { stdout: granted, stderr: granted },
            Console::Streams(streams) => streams,
        }
    }
}

/// Which methods of a capability are granted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Methods {
    /// All that the kernel offers, or the capability not at all.
    Whole(bool),
    /// These.
    Named(Vec<String>),
}

impl Default for Methods {
    fn default() -> Methods {
        Methods::Whole(false)
    }
}

/// A directory of a WASI instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preopen {
    /// What the guest sees.
    pub path: String,
    /// Who offers it.
    pub from: String,
    /// Its name there.
    pub cap: String,
}

/// The limits of a WASI instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceLimits {
    /// Bytes of linear memory; none for the default.
    pub memory: Option<Size>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Bytes of the process's memory that are set aside; none for all of it.
    pub reserve: Option<Size>,
    /// Its share of the processor; none for the default.
    pub weight: Option<u32>,
    /// Of the processor in each period.
    pub budget: Option<String>,
    /// How long a period is.
    pub period: Option<String>,
    /// From start to end.
    pub time: Option<String>,
    /// Bytes of the engine's value stack.
    pub stack: Option<Size>,
    /// Depth of wasm calls.
    pub recursion: Option<u32>,
}

/// A native process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Native {
    /// What it is called.
    pub name: String,
    /// The processes that are started before it.
    #[serde(default)]
    pub after: Vec<String>,
    /// A built-in program, or the path of an ELF file with a slash in it.
    pub program: String,
    /// Names in its CapSet, with their interfaces.
    #[serde(default)]
    pub uses: Entries<String>,
    /// Names of receive sides in its CapSet, with the interfaces of what others call.
    #[serde(default)]
    pub serves: Entries<String>,
    /// What follows its end.
    #[serde(default)]
    pub restart: Restart,
    /// Its limits.
    #[serde(default)]
    pub limits: NativeLimits,
    /// Its ring sizes.
    #[serde(default)]
    pub rings: Rings,
}

/// What follows the end of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// After which ends it is started again.
    pub when: When,
    /// How many times; none for the default.
    pub most: Option<u32>,
    /// How long to wait before the first time; none for the default.
    pub delay: Option<String>,
}

/// The limits of a native process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NativeLimits {
    /// Bytes of memory, the kernel's share included; none for the default.
    pub memory: Option<Size>,
    /// Bytes of stack; none for the default.
    pub stack: Option<Size>,
    /// Bytes of the process's memory that are set aside; none for all of it.
    pub reserve: Option<Size>,
    /// Its share of the processor; none for the default.
    pub weight: Option<u32>,
    /// Of the processor in each period.
    pub budget: Option<String>,
    /// How long a period is.
    pub period: Option<String>,
    /// From start to end.
    pub time: Option<String>,
}

/// Ring sizes; none for the default of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rings {
    /// Entries of the submission ring.
    pub submissions: Option<u32>,
    /// Entries of the completion ring.
    pub completions: Option<u32>,
    /// Bytes of the message area.
    pub area: Option<Size>,
}

/// One edge of the authority graph.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The capability's name at the giver.
    pub cap: String,
    /// `kernel` or a process.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// Its name at the receiver; none for the same.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// What the receiver may call.
    pub methods: Offered,
}

/// Which methods an offer hands on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Offered {
    /// These.
    Named(Vec<String>),
    /// Every one that the giver has.
    All(All),
}

/// The word for every method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// `all`.
    All,
}

impl Offer {
    /// The capability's name at the receiver.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.cap)
    }
}

impl Process {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Process::Instance(instance) => &instance.name,
            Process::Native(native) => &native.name,
        }
    }

    /// The processes that are started before it.
    #[must_use]
    pub fn after(&self) -> &[String] {
        match self {
            Process::Instance(instance) => &instance.after,
            Process::Native(native) => &native.after,
        }
    }
}
