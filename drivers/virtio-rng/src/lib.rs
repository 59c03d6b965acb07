//! The driver of virtio-rng: a process that takes random bytes from the host and feeds the kernel's generator with them.
//!
//! ```text
//! device -> Collector (how much there is, and whether it can be random) -> EntropySink.feed -> generator -> EntropySource.read
//! ```
//!
//! It holds the device, the EntropySink, a Timer and its own memory. It cannot read from the generator, and what it feeds can
//! only add to it. Called by `main` when init has started it; the hardware is behind `capos_rt::device`.
//!
//! Invariant: nothing is fed that the device did not give for this purpose, and a device that is obviously broken is not
//! listened to: the process ends and says why.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod collect;
#[cfg(target_os = "none")]
pub mod drive;
