//! Builds what capOS boots.
//!
//! The work is in the build script, with the feature `qemu`: it compiles the freestanding crates (boot stage, kernel,
//! services, WASI host, test programs) with cargo, each target with a target folder of its own, and puts the products
//! into `target/capos/lib/capos`. Called by `make build` and by who says `cargo build --features qemu`.
//!
//! Invariant: a product in that folder is what the sources say whenever the build script has ended without an error.
#![forbid(unsafe_code)]

#[cfg(test)]
#[path = "../build/strip.rs"]
mod strip;
