//! The host command, tested from outside with stand-ins for QEMU: every option, exit status and error text.
//!
//! Run by `cargo test`; needs bash and no guest, kernel or QEMU.
//!
//! Invariant: no test depends on another, on the machine's accelerator, or on how fast the machine is.
#![forbid(unsafe_code)]

mod accelerator;
mod addresses;
mod command_line;
mod coverage;
mod crowd;
mod doctor;
mod endings;
mod files;
mod floods;
mod hostile;
mod installed;
mod manifests;
mod refusals;
mod streams;
mod support;
mod terminal;
mod texts;
