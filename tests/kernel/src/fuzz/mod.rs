//! Random submissions, each with what the kernel must answer.
//!
//! Called by the program `fuzz`, which submits them and compares. [`Generator`] makes steps, [`Counts`] keeps the score.
//!
//! Invariant: an expectation follows from the public contract (`capos-abi`, `schema/`) and from what this program did
//! before, never from what the kernel answered.

mod counts;
mod generator;
mod kinds;
mod step;
mod world;

pub use counts::{Counts, Missing, UNREACHABLE};
pub use generator::{Generator, Places};
pub use step::{Effect, Expected, SLOT_BYTES, SLOTS, Step};
pub use world::{Known, World};

#[cfg(test)]
mod tests;
