//! `key-value-reader`: the client that may not do everything.
//!
//! Started by init from `manifests/system-services.cue`. On a build host it says that it does not run there.
//!
//! Invariant: it exits with 0 only if every step went as it says.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod steps;

capos_rt::entry!(steps::main, "key-value-reader is a program for capOS; `make run-services` boots it");
