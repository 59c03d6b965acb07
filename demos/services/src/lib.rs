//! The key-value service and its clients: what the three programs have in common.
//!
//! `key-value` serves, `key-value-writer` and `key-value-reader` are its clients; `manifests/system-services.cue` says what
//! each may do, and `make run-services` shows it.
//!
//! Invariant: everything here also runs on a build host, where its tests are.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod narrator;
pub mod service;
pub mod store;
