//! `suite`: tests the kernel from ring 3, one line for each test.
//!
//! Booted by the manifest `suite.cue` beside the cases, which grants what [`context::Context`] names. Runs the tests of
//! each subject, and starts `crash` for what only another process can show.
//!
//! Invariant: a test that fails or cannot be run is counted as failed; the exit code is 0 only if none did.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod accounting;
mod any_order;
mod bills;
mod book;
mod cancellation;
mod capabilities;
mod child;
mod code_memory;
mod context;
mod crashes;
mod devices;
mod direct;
mod direct_ends;
mod drivers;
mod endpoints;
mod harness;
mod image_data;
mod images;
mod limits;
mod lives;
mod long_messages;
mod mappings;
mod memory_objects;
mod notifications;
mod processes;
mod revocation;
mod revoked_calls;
mod revoked_mappings;
mod rings;
mod scheduling;
mod service;
mod services;
mod sharing;
mod stub_answers;
mod stub_service;
mod stubs;
mod teardown;
mod transfers;

use capos_rt::CapSet;
use capos_rt::abi::outcome::ExitStatus;

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let context = match context::Context::new(capabilities) {
        Ok(context) => context,
        Err(name) => return harness::unusable(capabilities, name),
    };
    let mut harness = harness::Harness::new(&context);
    services::run(&mut harness);
    capabilities::run(&mut harness);
    rings::run(&mut harness);
    cancellation::run(&mut harness);
    endpoints::run(&mut harness);
    transfers::run(&mut harness);
    lives::run(&mut harness);
    long_messages::run(&mut harness);
    direct::run(&mut harness);
    direct_ends::run(&mut harness);
    stubs::run(&mut harness);
    stub_answers::run(&mut harness);
    memory_objects::run(&mut harness);
    mappings::run(&mut harness);
    sharing::run(&mut harness);
    code_memory::run(&mut harness);
    limits::run(&mut harness);
    accounting::run(&mut harness);
    bills::run(&mut harness);
    revocation::run(&mut harness);
    revoked_calls::run(&mut harness);
    revoked_mappings::run(&mut harness);
    any_order::run(&mut harness);
    notifications::run(&mut harness);
    devices::run(&mut harness);
    drivers::run(&mut harness);
    book::run(&mut harness);
    images::run(&mut harness);
    image_data::run(&mut harness);
    crashes::run(&mut harness);
    processes::run(&mut harness);
    scheduling::run(&mut harness);
    teardown::run(&mut harness);
    harness.finish()
}
