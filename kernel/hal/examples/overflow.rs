//! Ring 0's stack used up on purpose: the page below it is not mapped, and the machine ends with the reason.
//!
//! Built for the kernel's target and booted in QEMU by `tests/runner`, in the kernel's place.
//!
//! Invariant: nothing but the guard page ends it; coming back from the descent is a panic, which the runner tells apart.
#![no_std]
#![no_main]

use capos_kernel_hal::Hardware;
use core::hint::black_box;

capos_kernel_hal::entry!(kernel_main);

/// More levels than the stack has room for, each with a kilobyte of its own.
const LEVELS: u64 = 1024;

fn descend(level: u64) -> u64 {
    let room = black_box([level; 128]);
    if level == LEVELS { level } else { descend(level + 1) + black_box(room)[0] }
}

fn kernel_main(_: Hardware) -> ! {
    let sum = descend(0);
    panic!("the stack held {LEVELS} levels, sum {sum}");
}
