//! The host command's parts, each in a module of its own; the binary only calls [`command::main`].
//!
//! Called by `main.rs`; calls QEMU, and the manifest tool for CUE files.
//!
//! Invariant: a run ends with the exit status that says how the guest ended, and leaves no QEMU and no file behind.
#![forbid(unsafe_code)]

pub mod system;
