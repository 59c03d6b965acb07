//! The program `capos-init`: hands the CapSet to the library.
//!
//! Started by the kernel; everything is in `lib.rs`. On a build host it says that it does not run there.
//!
//! Invariant: none of its own.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

capos_rt::entry!(
    capos_init::run,
    "capos-init is the first process of capOS; it does not run on another system"
);
