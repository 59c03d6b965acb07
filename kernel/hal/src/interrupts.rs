//! Descriptor tables, and the entry points of exceptions and interrupts.
//!
//! Loaded once at start-up. From ring 3 an entry stores all registers into the running thread's context, onto which
//! TSS.RSP0 points, and returns to [`crate::user::Seat::run`]; from ring 0 an interrupt is noted for [`crate::cpu::idle`]
//! and an exception is a kernel failure.
//!
//! Invariant: NMI, double fault and machine check have stacks of their own, each above a page that is not mapped.

use crate::devices;
use crate::local_apic;
use crate::paging;
use crate::user::Event;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};

/// Selector of ring 0's code.
pub(crate) const KERNEL_CODE: u16 = 0x08;
/// Selector of ring 3's stack and data.
pub(crate) const USER_DATA: u16 = 0x1b;
/// Selector of ring 3's code.
pub(crate) const USER_CODE: u16 = 0x23;
const TASK: u16 = 0x28;

/// Vector of the local APIC's timer; below those of devices.
pub(crate) const TIMER_VECTOR: u8 = 32;
/// Vector of the local APIC's spurious interrupt: not to be acknowledged.
pub(crate) const SPURIOUS_VECTOR: u8 = 255;

const VECTORS: usize = 256;
const STUB_BYTES: u64 = 16;
const VECTOR_BREAKPOINT: usize = 3;
const VECTOR_NMI: usize = 2;
const VECTOR_DOUBLE_FAULT: usize = 8;
const VECTOR_MACHINE_CHECK: usize = 18;

const STACK_BYTES: usize = 8192;
const STACKS: usize = 3;

/// A stack above a page that is unmapped at start-up.
#[repr(C, align(4096))]
struct GuardedStack {
    guard: [u8; crate::PAGE_BYTES],
    stack: [u8; STACK_BYTES],
}

/// The task-state segment, as the processor reads it.
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    /// Where an entry from ring 3 starts to push: the end of the running thread's registers.
    stack_of_ring_0: u64,
    unused: [u64; 3],
    interrupt_stacks: [u64; 7],
    reserved_end: [u16; 5],
    io_map_base: u16,
}

/// What the processor and the entry code share; written here before interrupts can happen, and by the entry code.
#[repr(C)]
pub(crate) struct Tables {
    task: TaskState,
    descriptors: [u64; 7],
    gates: [[u64; 2]; VECTORS],
}

#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<T>);

// SAFETY: ring 0 runs on one processor with interrupts off; each use below says why it does not overlap with another.
unsafe impl<T> Sync for Shared<T> {}

static STACK_MEMORY: Shared<[GuardedStack; STACKS]> = Shared(UnsafeCell::new(
    [const { GuardedStack { guard: [0; crate::PAGE_BYTES], stack: [0; STACK_BYTES] } }; STACKS],
));

pub(crate) static TABLES: Shared<Tables> = Shared(UnsafeCell::new(Tables {
    task: TaskState {
        reserved: 0,
        stack_of_ring_0: 0,
        unused: [0; 3],
        interrupt_stacks: [0; 7],
        reserved_end: [0; 5],
        io_map_base: size_of::<TaskState>() as u16,
    },
    descriptors: [
        0,
        0x00af_9b00_0000_ffff, // ring 0, 64-bit code
        0x00cf_9300_0000_ffff, // ring 0, data
        0x00cf_f300_0000_ffff, // ring 3, data
        0x00af_fb00_0000_ffff, // ring 3, 64-bit code
        0,                     // task state, two words, filled in by `load`
        0,
    ],
    gates: [[0; 2]; VECTORS],
}));

/// The vector of an interrupt that arrived in ring 0, written by the entry code; 0 if none did.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Fills in the tables, loads them, and takes the pages under the stacks away.
///
/// # Safety
/// Called once, at start-up, with interrupts off, after [`paging`] knows the kernel's tables.
pub(crate) unsafe fn load() {
    let tables = TABLES.0.get();
    let stacks = STACK_MEMORY.0.get() as u64;
    let stack_of = |index: usize| stacks + (index * size_of::<GuardedStack>()) as u64;
    for index in 0..STACKS {
        // SAFETY: nothing refers to the guard's bytes, and `load` is called once.
        unsafe { paging::unmap_kernel_page(stack_of(index)) };
        let top = stack_of(index) + size_of::<GuardedStack>() as u64;
        // SAFETY: the tables are not in use before `load_tables`, and nothing else refers to them.
        unsafe { (*tables).task.interrupt_stacks[index] = top };
    }
    for vector in 0..VECTORS {
        // SAFETY: as above.
        unsafe { (*tables).gates[vector] = gate(vector) };
    }
    // SAFETY: an address is taken, nothing is read.
    let task = unsafe { &raw const (*tables).task } as u64;
    let task_limit = size_of::<TaskState>() as u64 - 1;
    let low = task_limit | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
    // SAFETY: as above.
    unsafe { (*tables).descriptors[5] = low };
    // SAFETY: as above.
    unsafe { (*tables).descriptors[6] = task >> 32 };
    // SAFETY: the tables are complete and live for ever.
    unsafe { load_tables(tables) };
}

fn gate(vector: usize) -> [u64; 2] {
    let address = &raw const interrupt_stubs as u64 + vector as u64 * STUB_BYTES;
    let stack = match vector {
        VECTOR_NMI => 1,
        VECTOR_DOUBLE_FAULT => 2,
        VECTOR_MACHINE_CHECK => 3,
        _ => 0,
    };
    // Present interrupt gate; ring 3 may use INT3.
    let kind: u64 = if vector == VECTOR_BREAKPOINT { 0xee } else { 0x8e };
    let low = address & 0xffff
        | u64::from(KERNEL_CODE) << 16
        | stack << 32
        | kind << 40
        | (address >> 16 & 0xffff) << 48;
    [low, address >> 32]
}

/// # Safety
/// `tables` is complete and stays where it is.
unsafe fn load_tables(tables: *mut Tables) {
    #[repr(C, packed)]
    struct Pointer {
        limit: u16,
        base: u64,
    }
    // SAFETY: an address is taken, nothing is read.
    let descriptors = unsafe { &raw const (*tables).descriptors };
    // SAFETY: as above.
    let gates = unsafe { &raw const (*tables).gates };
    let descriptors = Pointer { limit: (7 * 8 - 1) as u16, base: descriptors as u64 };
    let gates = Pointer { limit: (VECTORS * 16 - 1) as u16, base: gates as u64 };
    // SAFETY: the caller's promise; the new selectors mean what the boot stage's did: flat 64-bit code, flat data.
    unsafe {
        core::arch::asm!(
            "lgdt [{descriptors}]",
            "lidt [{gates}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ss, {data:x}",
            "mov ds, {zero:x}",
            "mov es, {zero:x}",
            "mov fs, {zero:x}",
            "mov gs, {zero:x}",
            "lldt {zero:x}",
            "ltr {task:x}",
            descriptors = in(reg) &raw const descriptors,
            gates = in(reg) &raw const gates,
            code = const KERNEL_CODE,
            scratch = out(reg) _,
            data = in(reg) 0x10,
            zero = in(reg) 0,
            task = in(reg) u32::from(TASK),
        );
    }
}

/// The interrupt that arrived while [`crate::cpu::idle`] waited.
pub(crate) fn take_arrived() -> Event {
    let vector = ARRIVED.load(Ordering::Relaxed);
    ARRIVED.store(0, Ordering::Relaxed);
    if vector == 0 { Event::Spurious } else { acknowledge(vector as u8) }
}

/// Acknowledges an interrupt and says what it was.
pub(crate) fn acknowledge(vector: u8) -> Event {
    if vector == SPURIOUS_VECTOR {
        return Event::Spurious;
    }
    let line = devices::acknowledge(vector);
    local_apic::end_of_interrupt();
    if let Some(line) = line {
        return Event::Interrupt { line };
    }
    if vector != TIMER_VECTOR {
        return Event::Spurious;
    }
    crate::time::alarm_went_off();
    Event::Timer
}

/// What the entry code leaves on the stack for an exception in ring 0.
#[repr(C)]
struct KernelException {
    vector: u64,
    error_code: u64,
    instruction_pointer: u64,
    code_segment: u64,
    flags: u64,
    stack_pointer: u64,
}

extern "C" fn kernel_exception(frame: &KernelException) -> ! {
    let fault_address = x86_64::registers::control::Cr2::read_raw();
    let privilege = frame.code_segment & 3;
    // The debug console cannot fail.
    let _ = writeln!(
        crate::debug::Writer,
        "[kernel] exception {} in ring {privilege}: error {:#x} address {fault_address:#x} rip {:#x} rsp {:#x} flags {:#x}",
        frame.vector,
        frame.error_code,
        frame.instruction_pointer,
        frame.stack_pointer,
        frame.flags,
    );
    if (crate::start::STACK_GUARD..crate::start::STACK.start).contains(&fault_address) {
        let _ = writeln!(crate::debug::Writer, "[kernel] the kernel's stack is used up");
    }
    crate::backtrace::write(crate::start::STACK);
    crate::power::exit(capos_abi::host::EXIT_KERNEL_FAILED)
}

unsafe extern "C" {
    static interrupt_stubs: u8;
}

global_asm!(
    ".pushsection .text.interrupts, \"ax\"",
    ".balign 16",
    ".global interrupt_stubs",
    ".type interrupt_stubs, @function",
    "interrupt_stubs:",
    ".set vector, 0",
    ".rept 256",
    "    .balign 16",
    // These vectors push an error code themselves.
    "    .if (vector - 8) * (vector - 10) * (vector - 11) * (vector - 12) * (vector - 13) * (vector - 14) * (vector - 17) \
             * (vector - 21) * (vector - 29) * (vector - 30)",
    "        pushq $0",
    "    .endif",
    "    pushq $vector",
    "    .if (vector - 2) * (vector - 8) * (vector - 18)",
    "        jmp interrupt_entry",
    "    .else",
    "        jmp interrupt_fatal",
    "    .endif",
    "    .set vector, vector + 1",
    ".endr",
    ".popsection",
    options(att_syntax)
);

global_asm!(
    ".pushsection .text.interrupts, \"ax\"",
    ".balign 16",
    // From ring 3 the stack is the thread's register area, and what the processor pushed is in its place already.
    ".global interrupt_entry",
    "interrupt_entry:",
    "    test byte ptr [rsp + 24], 3",
    "    jz 2f",
    "    push r11",
    "    push rcx",
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
    // Ring 3's flags (direction, alignment check) mean nothing here.
    "    push 2",
    "    popfq",
    "    pop rbp",
    "    pop rbx",
    "    ret",
    // From ring 0: an interrupt in `idle` is noted, and returned from with interrupts off.
    "2:",
    "    cmp qword ptr [rsp], 32",
    "    jb interrupt_fatal",
    "    push rax",
    "    mov rax, [rsp + 8]",
    "    mov [rip + {arrived}], rax",
    "    pop rax",
    "    and qword ptr [rsp + 32], ~0x200",
    "    add rsp, 16",
    "    iretq",
    ".global interrupt_fatal",
    "interrupt_fatal:",
    "    cld",
    "    mov rdi, rsp",
    "    and rsp, -16",
    "    call {kernel_exception}",
    "    ud2",
    ".popsection",
    local = sym crate::user::LOCAL,
    arrived = sym ARRIVED,
    kernel_exception = sym kernel_exception,
);

/// Byte offset in [`TABLES`] of where an entry from ring 3 starts to push, for [`crate::user`]'s entry code.
pub(crate) const STACK_OF_RING_0: usize =
    core::mem::offset_of!(Tables, task) + core::mem::offset_of!(TaskState, stack_of_ring_0);

/// Makes entries from ring 3 start to push at `end`.
///
/// # Safety
/// Below are the registers of the thread that runs next, and nothing else refers to them.
#[inline(always)] // On the way of every switch between threads.
pub(crate) unsafe fn set_stack_of_ring_0(end: u64) {
    // SAFETY: an address is taken, nothing is read.
    let place = unsafe { &raw mut (*TABLES.0.get()).task.stack_of_ring_0 };
    // SAFETY: the processor reads it when ring 3 is interrupted, which does not run now.
    unsafe { place.write_unaligned(end) };
}
