//! What a count depends on besides the sources: compiler, LLVM, QEMU, CPU.
//!
//! Called by `main`; calls `rustc` and `qemu-system-x86_64`.
//!
//! Invariant: two toolchains are the same only if all of it is.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::machine::{CPU, output};

/// A toolchain, in full.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Toolchain {
    /// The first line of `rustc --version --verbose`.
    pub(crate) rustc: String,
    /// The LLVM version that it names.
    pub(crate) llvm: String,
    /// The first line of QEMU's version.
    pub(crate) qemu: String,
    /// QEMU's `-cpu`.
    pub(crate) cpu: String,
}

impl Toolchain {
    /// The toolchain that built what is measured, and the QEMU that runs it.
    ///
    /// # Errors
    /// One of them does not say what it is.
    pub(crate) fn find(root: &Path) -> Result<Toolchain, String> {
        let rustc = output(Command::new("rustc").current_dir(root).args(["--version", "--verbose"]))?;
        let qemu = output(Command::new("qemu-system-x86_64").arg("--version"))?;
        let llvm = rustc.lines().find_map(|line| line.strip_prefix("LLVM version: "));
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        Ok(Toolchain {
            llvm: llvm.ok_or("rustc does not name its LLVM")?.to_owned(),
            rustc: first(&rustc),
            qemu: first(&qemu),
            cpu: CPU.to_owned(),
        })
    }
}
