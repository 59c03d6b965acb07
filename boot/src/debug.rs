//! The debug console and the end of a boot that cannot go on. Called by every part of the stage.

use capos_abi::host::{DEBUG_CONSOLE_PORT, DEBUG_EXIT_PORT, EXIT_IMAGE_REFUSED};
use core::arch::asm;
use core::fmt::{Arguments, Result, Write};

struct DebugConsole;

impl Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> Result {
        text.bytes().for_each(|byte| write_port(DEBUG_CONSOLE_PORT, byte));
        Ok(())
    }
}

fn write_port(port: u16, value: u8) {
    // SAFETY: only called with the two ports of the debug devices, which have no effect on memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Says on one line why the machine does not boot, and ends it with [`EXIT_IMAGE_REFUSED`].
pub(crate) fn refuse(reason: Arguments<'_>) -> ! {
    // A debug console cannot fail, and there is nobody else to tell.
    let _ = writeln!(DebugConsole, "[boot] refused: {reason}");
    write_port(DEBUG_EXIT_PORT, EXIT_IMAGE_REFUSED);
    loop {
        // SAFETY: halting has no effect on memory; interrupts are disabled since the entry.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
