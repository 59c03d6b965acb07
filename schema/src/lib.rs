//! The vocabulary of capOS: interfaces, their methods, and the messages that call them.
//!
//! Generated from the Cap'n Proto files of this folder by `gen/` and committed, so that a build needs no `capnp`. One
//! module per interface with a marker type (`Console`), its method numbers, and a plain struct with `encode` and `decode`
//! for each message. Called by the kernel, by `capos-rt`, and by the host tools; calls nobody.
//!
//! With the feature `capnp` there are also readers and builders of the two messages that are more than a call: the
//! SystemManifest and the LaunchParameters. They need an allocator and are never used in ring 0.
//!
//! Invariant: the codecs allocate nothing, never panic, and refuse what the schema does not describe.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "capnp")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "capnp")]
mod documents;
mod generated;
pub mod interface;
pub mod wire;

#[cfg(feature = "capnp")]
pub use documents::{launch_capnp, manifest_capnp};
pub use generated::*;
