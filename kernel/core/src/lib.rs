//! The kernel's pure algorithms.
//!
//! Tables, pools, queues, maps and validators that the kernel proper builds on, without hardware, without `unsafe` and
//! without global state, so that all of it is tested on the build host. Called by `kernel/src`; calls `capos-abi`.
//!
//! Invariant: nothing here panics and nothing allocates except the constructors and `grow` functions, which say so when
//! memory is refused. Every bound on work is stated where the work is done.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(no_global_oom_handling, feature(vec_push_within_capacity))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod account;
pub mod authority;
pub mod capability;
pub mod claim;
pub mod completion;
pub mod derivation;
pub mod elf;
pub mod entropy;
pub mod fair_queue;
pub mod list;
pub mod options;
pub mod pages;
pub mod pool;
pub mod report;
pub mod run_queue;
pub mod share;
pub mod sizes;
pub mod storage;
pub mod timer_queue;
