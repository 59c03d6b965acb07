//! `smoke`: a native program that tries each capability that it was granted, and what it was not granted.
//!
//! Started by init from `manifests/system-smoke.cue`, which names every capability used here; calls the kernel through
//! `capos-rt`. On a build host it says that it does not run there.
//!
//! Invariant: it exits with 0 only if everything did what the manifest says; a failure is a line on standard error.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
mod trial;

capos_rt::entry!(trial::main, "capos-smoke is a program for capOS; `make run-smoke` boots it");
