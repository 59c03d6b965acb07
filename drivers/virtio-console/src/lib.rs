//! The driver of virtio-console: a process that serves the consoles of all others and the end of the run.
//!
//! ```text
//! Console.write -> serve (which stream) -> streams (its frame) -> wire (port, queue, device) -> the host command
//! ```
//!
//! It holds the device, the receive side of the console's endpoint, a Timer, its own memory, and the names of the processes; it
//! cannot start, end or ask anybody. A call's bytes are received into memory that the device reads: the kernel's copy is the
//! only one. Called by `main` when init has started it; the hardware is behind `capos_rt::device`.
//!
//! Invariant: one call is in hand at a time. It is answered when the device has taken its bytes, and the next one is received
//! only then: a host that is slow stops all writers, and what waits lies in their own memory.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod failure;
pub mod ports;
#[cfg(target_os = "none")]
pub mod serve;
pub mod streams;
#[cfg(target_os = "none")]
pub mod wire;
