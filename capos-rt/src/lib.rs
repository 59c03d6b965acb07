//! The userspace runtime of capOS.
//!
//! Every program that runs in ring 3 is built on it: it starts the program, gives it a heap, turns the handles of its
//! CapSet into typed capabilities, and turns their methods into messages over the rings. Calls the kernel through two
//! system calls; calls nobody else.
//!
//! ```text
//! Cap<Console>::write (clients/generated) -> Call (call) -> Operation (sys) -> rings -> enter
//! ```
//!
//! A service goes the other way: [`server::Loop`] hands what it receives to generated stubs.
//!
//! Invariant: `unsafe` is in `sys/` only. A process has one thread, and everything here relies on that.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
pub mod capability;
mod clients;
pub mod device;
pub mod heap;
pub mod process;
pub mod report;
pub mod server;
mod servers;
#[expect(unsafe_code, reason = "the one folder with unsafe code")]
#[cfg_attr(
    not(any(test, target_os = "none")),
    expect(dead_code, reason = "on a build host only the tests start it")
)]
mod sys;
pub mod untyped;

pub use call::{Call, Deadline, Pending, flush, wait_any};
pub use capability::{Cap, CapSet, CapSetError, Capability, Untyped};
pub use capos_abi as abi;
pub use capos_schema as schema;
pub use clients::*;
pub use sys::checksum::crc32c;
#[cfg(feature = "crash-tests")]
pub use sys::hostile;
pub use sys::mapping::Mapping;
