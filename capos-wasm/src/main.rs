//! `capos-wasm`: the process of one WASI instance.
//!
//! Started by init with a CapSet: `module` (the wasm bytes), `launch` (a LaunchParameters message), `memory`, and what the
//! manifest grants: `stdout`, `stderr`, `timer`, `random`. An instance that is also granted `log` writes one line there about
//! how the run ended. Calls the library of this package, and ends the process with the outcome of the run.
//!
//! Invariant: the only authority in this process is its CapSet; nothing is inherited.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod program;

capos_rt::entry!(
    program::main,
    "capos-wasm is a program of capOS: `capos run FILE.wasm` boots one that runs it"
);
