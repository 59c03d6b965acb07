//! The calls that led to a kernel failure, by frame pointers (ring 0 is compiled with them).
//!
//! Called by the panic handler and for an exception in ring 0. The addresses mean something to a debugger that has
//! `kernel.elf.debug`.

use crate::debug;
use core::arch::asm;
use core::fmt::Write;
use core::ops::Range;

/// Calls that are shown at most.
const CALLS_MAX: usize = 24;

/// Writes one line with the return addresses on the stack that lies in `stack`, from the caller's on.
pub(crate) fn write(stack: Range<u64>) {
    let mut frame: u64;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    // The debug console cannot fail.
    let _ = write!(debug::Writer, "[kernel] called from");
    for _ in 0..CALLS_MAX {
        if !stack.contains(&frame) || !stack.contains(&(frame + 15)) || !frame.is_multiple_of(8) {
            break;
        }
        // SAFETY: inside the kernel's stack, which is mapped; nothing else runs.
        let [next, return_address] = unsafe { (frame as *const [u64; 2]).read_volatile() };
        let _ = write!(debug::Writer, " {return_address:#x}");
        // Callers are further up; anything else is not a frame.
        if next <= frame {
            break;
        }
        frame = next;
    }
    let _ = writeln!(debug::Writer);
}
