//! What ring 0 and ring 3 must agree on.
//!
//! The one vocabulary of the system-call boundary and of the boot image: the table of system calls, the layout of the
//! rings, handles, error numbers, the CapSet page, how a process ends, the image format and the frames that cross the
//! virtio console to the host. Called by the kernel, by `capos-rt`, by the boot stage and by the host command; calls nobody.
//!
//! Invariant: everything here is pure. A layout is a set of offsets and a pair `encode`/`decode` over plain words, so the
//! same validators run in ring 0, in ring 3 and under `cargo test` on the build host, and nothing needs `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod capset;
pub mod checksum;
pub mod error;
pub mod handle;
pub mod host;
pub mod image;
pub mod message;
pub mod outcome;
pub mod package;
pub mod ring;
pub mod share;
pub mod streams;
pub mod system_call;
