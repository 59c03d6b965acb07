//! The host command's parts, each in a module of its own; the binary only calls [`main`].
//!
//! Called by `main.rs`; calls QEMU, and `capos-manifest-model` for what a system is.
//!
//! Invariant: a run ends with the exit status that says how the guest ended, and leaves no QEMU and no file behind.
#![forbid(unsafe_code)]

pub mod accelerator;
pub mod command;
pub mod failure;
pub mod folders;
pub mod image;
pub mod layout;
pub mod options;
pub mod outcome;
pub mod progress;
pub mod qemu;
pub mod quantities;
pub mod symbols;
