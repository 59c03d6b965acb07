//! The accelerator probe: a guest that does what a kernel does and ends QEMU with a code that says how far it came.
//!
//! Run by `capos` under KVM and a timeout before it trusts KVM (`cli/src/accelerator`). Some hypervisors open, boot a stub
//! and then fail at the first SYSCALL, XSAVE or page fault of ring 3; the presence of /dev/kvm proves nothing.
//!
//! Invariant: it writes one letter to the debug console before each step, and isa-debug-exit receives 0x2a only after
//! every step has given the right answer.
#![no_std]
#![no_main]

use core::arch::global_asm;

global_asm!(include_str!("probe.s"));

#[panic_handler]
fn panic(_information: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
