//! Ring 3: run a thread until something happens.
//!
//! Called by the kernel's scheduler. [`run`] is a function call that returns when ring 3 is left, by a system call, an
//! exception or an interrupt; the kernel's one stack is used throughout.
//!
//! Invariant: a resumed thread has its instruction pointer in the lower half, CPL 3, interrupts on and IOPL 0, and sees
//! only register contents of its own.

use crate::frames::OutOfMemory;
use crate::paging::AddressSpace;

/// Why ring 3 was left, or why [`crate::cpu::idle`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `SYSCALL`: see [`Context::system_call`].
    SystemCall,
    /// A page fault in ring 3.
    PageFault {
        /// The address that was accessed (CR2).
        address: u64,
        /// Bit 0 present, 1 write, 2 user, 4 instruction fetch.
        error_code: u64,
    },
    /// Any other exception in ring 3.
    Exception {
        /// The vector, 0 to 31.
        vector: u8,
        /// The error code, 0 for vectors without one.
        error_code: u64,
    },
    /// The alarm of [`crate::time::Clock`] went off.
    Timer,
    /// A device interrupt.
    Device(u8),
    /// An interrupt that nobody asked for; already acknowledged.
    Spurious,
}

/// Everything of a thread that the processor holds while it runs: registers and SSE state. Takes one frame.
pub struct Context {}

impl Context {
    /// A thread that will start at `entry` with the given stack pointer and `rdi`, `rsi`, `rdx`; other registers zero, MXCSR 0x1f80, FCW
    /// 0x37f. An entry outside the lower half makes the first [`run`] return a general-protection exception.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(entry: u64, stack: u64, arguments: [u64; 3]) -> Result<Context, OutOfMemory> {
        crate::absent()
    }
    /// `rax` and `rdi`, `rsi`, `rdx`, `r10` at the system call.
    pub fn system_call(&self) -> (u64, [u64; 4]) {
        crate::absent()
    }
    /// Sets `rax`.
    pub fn set_result(&mut self, value: u64) {
        crate::absent()
    }
    /// Where ring 3 goes on; after a fault the instruction that faulted.
    pub fn instruction_pointer(&self) -> u64 {
        crate::absent()
    }
    /// The stack pointer.
    pub fn stack_pointer(&self) -> u64 {
        crate::absent()
    }
    /// The privilege level at which it ran: the low bits of the CS that the processor saved at the last exception or interrupt; a `SYSCALL` can only
    /// be the work of ring 3's code selector and does not save one.
    pub fn cpl(&self) -> u8 {
        crate::absent()
    }
}

/// Runs ring 3 until an event. Loads the address space and the SSE state only if another was loaded.
pub fn run(context: &mut Context, space: &AddressSpace) -> Event {
    crate::absent()
}
