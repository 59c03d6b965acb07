//! The end of the machine, by isa-debug-exit.
//!
//! Called by the kernel when the run has ended, and by the panic handler.

use crate::port;
use capos_abi::host::DEBUG_EXIT_PORT;
use core::arch::asm;

/// Ends QEMU with exit status `(code << 1) | 1`; a machine without the device halts for good. Codes are in
/// `capos_abi::host`.
pub fn exit(code: u8) -> ! {
    // SAFETY: the port belongs to isa-debug-exit alone, which does not touch memory.
    unsafe { port::write_u8(DEBUG_EXIT_PORT, code) };
    loop {
        // SAFETY: stops the processor for good; no memory is touched.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
