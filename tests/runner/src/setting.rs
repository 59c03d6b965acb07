//! The axes of the matrix and a point on them: what a test may run on.
//!
//! Named by `matrix`, made real by `ground`, and part of the names in reports. Calls nobody.
//!
//! Invariant: two different settings have two different names.

use std::fmt;

use serde::Deserialize;

/// A machine type that capOS boots on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Machine {
    /// virtio-mmio, no PCI.
    Microvm,
    /// PCI, with qboot.
    Q35,
}

/// How QEMU executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// As it does when nothing is said.
    Plain,
    /// A thread of the host for each processor (`thread=multi`).
    Multi,
    /// Time is the number of instructions: the same run each time, however busy the host is.
    Icount,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Accelerator {
    /// QEMU's translator.
    Tcg,
    /// The host's processor.
    Kvm,
}

/// How what boots was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Build {
    /// As it is shipped.
    Release,
    /// With debug assertions and checks of every sum for overflow.
    Debug,
}

/// A point on the axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    /// Where.
    pub(crate) machine: Machine,
    /// With how many processors.
    pub(crate) processors: u8,
    /// How.
    pub(crate) mode: Mode,
    /// By what.
    pub(crate) accelerator: Accelerator,
    /// What.
    pub(crate) build: Build,
}

impl Machine {
    /// Its name for `capos run --machine`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Machine::Microvm => "microvm",
            Machine::Q35 => "q35",
        }
    }
}

impl Mode {
    /// Its name in the matrix.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Multi => "multi",
            Mode::Icount => "icount",
        }
    }
}

impl Accelerator {
    /// Its name for `capos run --accel`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

impl Build {
    /// Its name in the matrix.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Build::Release => "release",
            Build::Debug => "debug",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { machine, processors, mode, accelerator, build } = self;
        let (machine, mode, accelerator) = (machine.name(), mode.name(), accelerator.name());
        write!(formatter, "{machine}-{processors}-{mode}-{accelerator}-{}", build.name())
    }
}
