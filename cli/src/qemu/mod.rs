//! QEMU as a part of capOS: which machine, which channels, and how it ends.
//!
//! Called by `command` and `accelerator`; calls the `qemu-system-x86_64` that is in PATH.
//!
//! Invariant: this module owns every file descriptor that QEMU writes to, so a closed pipe or a full disk on the host is
//! seen here, and QEMU is ended whatever happens.

pub mod channels;
pub mod control;
mod labels;
pub mod launcher;
pub mod log;
pub mod machine;
pub mod output;
pub mod program;
pub mod question;
pub mod quote;
mod readers;
pub mod signals;
pub mod supervisor;
mod verdict;
mod watch;
