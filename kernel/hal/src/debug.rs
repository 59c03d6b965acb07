//! The debug console (port 0xe9): the kernel's log.
//!
//! Called by everyone, also while the kernel panics. Works from the first instruction on; a machine without the
//! device ignores the bytes.

use capos_abi::host::DEBUG_CONSOLE_PORT;
use core::arch::asm;

/// Writes bytes as they are.
pub fn write(bytes: &[u8]) {
    // SAFETY: reads `bytes` alone; the debug console has no effect on memory. The direction flag is clear in Rust
    // code.
    unsafe {
        asm!(
            "rep outsb",
            inout("rcx") bytes.len() => _,
            inout("rsi") bytes.as_ptr() => _,
            in("dx") DEBUG_CONSOLE_PORT,
            options(readonly, nostack, preserves_flags),
        );
    }
}

/// For `write!(debug::Writer, ...)`. Never fails.
pub struct Writer;

impl core::fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}
