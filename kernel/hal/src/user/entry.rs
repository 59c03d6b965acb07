//! The instructions between ring 0 and ring 3.
//!
//! Called by [`super::Seat::run`]. `enter` saves what the kernel's code cannot do without on its stack, loads ring 3's registers and
//! leaves; `SYSCALL` (here) and interrupts (in [`crate::interrupts`]) store ring 3's registers, restore the kernel's
//! and return from that call.
//!
//! Invariant: a thread that left ring 3 by `SYSCALL` is resumed with `SYSRET`, every other one with `IRET`; so the
//! address that `SYSRET` goes to is one that followed a `SYSCALL` in a page below `USER_END`.

use crate::interrupts::{self, KERNEL_CODE};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use x86_64::registers::model_specific::Msr;

/// What [`Registers::vector`] holds after a `SYSCALL`.
pub(super) const VECTOR_SYSTEM_CALL: u64 = 0x100;

/// Registers of a thread, in the order in which entries push them.
#[repr(C, align(16))]
pub(super) struct Registers {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbp: u64,
    rbx: u64,
    r9: u64,
    r8: u64,
    pub(super) r10: u64,
    pub(super) rdx: u64,
    pub(super) rsi: u64,
    pub(super) rdi: u64,
    pub(super) rax: u64,
    rcx: u64,
    r11: u64,
    /// Why ring 3 was left: an exception, an interrupt, or [`VECTOR_SYSTEM_CALL`].
    pub(super) vector: u64,
    pub(super) error_code: u64,
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

/// What the entry code keeps; its fields are at offsets 0 and 8.
#[repr(C)]
pub(crate) struct Local {
    /// The kernel's stack pointer while ring 3 runs.
    kernel_stack: u64,
    /// Ring 3's stack pointer while it is being stored.
    user_stack: u64,
}

#[repr(transparent)]
pub(crate) struct LocalCell(UnsafeCell<Local>);

// SAFETY: only the entry code uses it, on one processor with interrupts off, and `initialize` before that.
unsafe impl Sync for LocalCell {}

/// The one processor's [`Local`].
pub(crate) static LOCAL: LocalCell = LocalCell(UnsafeCell::new(Local { kernel_stack: 0, user_stack: 0 }));

/// The code segment of SYSENTER; 0 makes the instruction a general-protection fault.
const SYSENTER_CODE: u32 = 0x174;
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SFMASK: u32 = 0xc000_0084;
/// What `SYSCALL` clears: trap, interrupt, direction, I/O privilege, nested task, resume, alignment check.
const CLEARED_FLAGS: u64 = 0x0005_7700;

/// Tells the processor where `SYSCALL` goes.
///
/// # Safety
/// Called once at start-up, with the descriptor tables loaded.
pub(crate) unsafe fn initialize() {
    let star = u64::from(KERNEL_CODE) << 32 | (0x10 | 3) << 48;
    let entry = &raw const system_call_entry as u64;
    for (register, value) in [(STAR, star), (LSTAR, entry), (SFMASK, CLEARED_FLAGS), (SYSENTER_CODE, 0)] {
        // SAFETY: the selectors are those of the descriptor table, the entry is the one below, and there is no other.
        unsafe { Msr::new(register).write(value) };
    }
}

/// Makes the entries store into `registers` from now on.
///
/// # Safety
/// Nothing else refers to the registers until another thread's are prepared or `enter` returns.
#[inline(always)] // On the way of every switch between threads.
pub(super) unsafe fn prepare(registers: *mut Registers) {
    let end = registers.wrapping_add(1) as u64;
    // SAFETY: the caller's promise.
    unsafe { interrupts::set_stack_of_ring_0(end) };
}

unsafe extern "C" {
    static system_call_entry: u8;
    /// As [`enter`], which names the registers that it destroys.
    static enter_ring_3: u8;
}

/// Enters ring 3 and returns when it is left, with interrupts off.
///
/// # Safety
/// The registers are those that were prepared, and ring 3's: selectors, flags and an address in the lower half; they
/// stay where they are.
#[inline(always)] // Around it are the loops of every system call.
pub(super) unsafe fn enter(registers: *mut Registers) {
    // SAFETY: the code below keeps the stack, rbx and rbp, and returns with the direction flag clear; for the rest see above.
    unsafe {
        asm!(
            "call {enter}",
            enter = sym enter_ring_3,
            inout("rdi") registers => _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
}

global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".balign 16",
    ".global enter_ring_3",
    "enter_ring_3:",
    "    push rbx",
    "    push rbp",
    "    mov [rip + {local}], rsp",
    "    cmp qword ptr [rdi + 120], {system_call}",
    "    jne 2f",
    "    mov rcx, [rdi + 136]",
    "    mov r11, [rdi + 152]",
    "    mov r15, [rdi]",
    "    mov r14, [rdi + 8]",
    "    mov r13, [rdi + 16]",
    "    mov r12, [rdi + 24]",
    "    mov rbp, [rdi + 32]",
    "    mov rbx, [rdi + 40]",
    "    mov r9, [rdi + 48]",
    "    mov r8, [rdi + 56]",
    "    mov r10, [rdi + 64]",
    "    mov rdx, [rdi + 72]",
    "    mov rsi, [rdi + 80]",
    "    mov rax, [rdi + 96]",
    "    mov rsp, [rdi + 160]",
    "    mov rdi, [rdi + 88]",
    "    sysretq",
    "2:",
    "    mov rsp, rdi",
    "    pop r15",
    "    pop r14",
    "    pop r13",
    "    pop r12",
    "    pop rbp",
    "    pop rbx",
    "    pop r9",
    "    pop r8",
    "    pop r10",
    "    pop rdx",
    "    pop rsi",
    "    pop rdi",
    "    pop rax",
    "    pop rcx",
    "    pop r11",
    "    add rsp, 16",
    "    iretq",
    ".balign 16",
    ".global system_call_entry",
    "system_call_entry:",
    "    mov [rip + {local} + 8], rsp",
    "    mov rsp, [rip + {tables} + {stack}]",
    "    mov [rsp - 40], rcx",
    "    mov [rsp - 24], r11",
    "    mov qword ptr [rsp - 56], {system_call}",
    "    mov rcx, [rip + {local} + 8]",
    "    mov [rsp - 16], rcx",
    "    lea rsp, [rsp - 72]",
    "    push rax",
    "    push rdi",
    "    push rsi",
    "    push rdx",
    "    push r10",
    "    push r8",
    "    push r9",
    "    push rbx",
    "    push rbp",
    "    push r12",
    "    push r13",
    "    push r14",
    "    push r15",
    "    mov rsp, [rip + {local}]",
    "    pop rbp",
    "    pop rbx",
    "    ret",
    ".popsection",
    local = sym LOCAL,
    tables = sym interrupts::TABLES,
    stack = const interrupts::STACK_OF_RING_0,
    system_call = const VECTOR_SYSTEM_CALL,
);
