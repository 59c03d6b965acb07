//! The hardware, as safe types.
//!
//! All `unsafe` of ring 0 is here: entry from the boot stage, entry from and return to ring 3, page tables, frames,
//! timer, ports, devices. Called by `kernel/src`, which is `forbid(unsafe_code)`; calls `bootloader_api`, `x86_64` and,
//! for PCI's configuration space, `virtio-drivers`.
//!
//! Invariant: every safe public function is sound for all arguments. Memory that ring 3 can write is never handed out
//! as a reference, only copied. Ring 0 runs with interrupts disabled everywhere but inside [`cpu::idle`], on one
//! processor.
#![no_std]
#![feature(vec_push_within_capacity)]

extern crate alloc;

mod backtrace;
pub mod checksum;
pub mod copy;
pub mod cpu;
pub mod debug;
pub mod devices;
pub mod entropy;
pub mod frames;
pub mod heap;
mod interrupts;
mod local_apic;
pub mod paging;
mod port;
pub mod power;
pub mod ramdisk;
pub mod start;
pub mod time;
pub mod user;

pub use start::Hardware;

/// Bytes of a page and of a frame.
pub const PAGE_BYTES: usize = 4096;

/// The first address that ring 3 can have mapped: page 0 never is.
pub const USER_START: u64 = 0x1000;

/// The first address past what ring 3 can have mapped. The last page of the lower half stays unmapped, so no return
/// address of a `SYSCALL` is ever non-canonical.
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;
