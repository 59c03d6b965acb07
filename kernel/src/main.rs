//! The capOS kernel.
//!
//! An event loop on one stack: leave the processor to a thread, look at why it came back, decode, commit, go on. What
//! cannot be answered at once is a record, not a stack. Called by `capos-kernel-hal` once, at start-up; calls the hardware
//! layer, the pure algorithms of `capos-kernel-core` and the codecs of `capos-schema`.
//!
//! Invariant: nothing that ring 3 does makes ring 0 panic, allocate without a charge, or run for an unbounded time.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[cfg(all(target_os = "none", not(no_global_oom_handling)))]
compile_error!("ring 0 is built with `--cfg no_global_oom_handling`, by kernel/image");

extern crate alloc;

mod billing;
mod calls;
mod devices;
mod endpoints;
mod holdings;
mod kernel;
mod log;
mod memory;
mod objects;
mod processes;
mod scheduler;
mod start;
mod work;

use capos_kernel_hal::Hardware;

capos_kernel_hal::entry!(kernel_main);

fn kernel_main(hardware: Hardware) -> ! {
    start::boot(hardware).run()
}
