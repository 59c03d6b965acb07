//! The program `virtio-console`: hands the CapSet to the library.
//!
//! Started by init; everything is in `lib.rs`. On a build host it says that it does not run there.
//!
//! Invariant: none of its own.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

capos_rt::entry!(main, "virtio-console is a driver of capOS; it does not run on another system");

#[cfg(target_os = "none")]
fn main(capabilities: &capos_rt::CapSet) -> Result<(), capos_virtio_console::failure::Failure> {
    match capos_virtio_console::serve::run(capabilities, |_| {})? {}
}
