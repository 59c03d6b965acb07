//! What the kernel's tests are made of, as far as it is pure: hostile images, random submissions and what to expect.
//!
//! Called by the programs in `bin/`, which run in ring 3, and by host tests. Calls `capos-abi` and `capos-schema`.
//!
//! Invariant: nothing here allocates or asks the system for anything, so what is tested is what the program says.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(feature = "programs")]
pub mod by_hand;
pub mod elf;
pub mod fuzz;
pub mod probe;
pub mod random;
pub mod soak;
