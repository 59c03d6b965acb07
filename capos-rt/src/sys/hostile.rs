//! What only a hostile program does: crashes on purpose, and the rings by hand.
//!
//! For the programs that test the kernel, behind the feature `crash-tests`; no other program is built with it. Calls
//! nobody.
//!
//! Invariant: whatever is done here ends or confuses the calling program alone. While a program uses the rings by hand it
//! uses nothing else of the runtime that calls the kernel; [`resynchronize`] goes back.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use capos_abi::ring::{COMPLETION_BYTES, HEADER_BYTES, Layout, SUBMISSION_BYTES};

use super::thread;

/// The sizes of this thread's rings.
#[must_use]
pub fn layout() -> Layout {
    *thread::current().region().layout()
}

/// The address of the ring region.
#[must_use]
pub fn region_address() -> u64 {
    place(0, 0).as_ptr().expose_provenance() as u64
}

/// `length` bytes at `offset` of the region. Panics outside it.
fn place(offset: usize, length: usize) -> NonNull<u8> {
    let region = thread::current().region();
    let layout = region.layout();
    assert!(
        offset.checked_add(length).is_some_and(|end| end <= layout.region_bytes()),
        "outside the ring region"
    );
    // SAFETY: the area lies inside the region, `area_offset` bytes behind its start.
    let start = unsafe { region.area().byte_sub(layout.area_offset()) };
    // SAFETY: inside the region, as just checked.
    unsafe { start.byte_add(offset) }
}

/// A u32 field of the header. Panics if `offset` is not one.
fn field(offset: usize) -> &'static AtomicU32 {
    assert!(offset < HEADER_BYTES && offset.is_multiple_of(4), "not a field of the header");
    // SAFETY: an aligned u32 of the region, which lives as long as the process; both sides access it atomically.
    unsafe { place(offset, 4).cast::<AtomicU32>().as_ref() }
}

/// Reads a field of the ring header.
#[must_use]
pub fn header(offset: usize) -> u32 {
    field(offset).load(Ordering::Acquire)
}

/// Writes a field of the ring header, also one that is the kernel's.
pub fn set_header(offset: usize, value: u32) {
    field(offset).store(value, Ordering::Release);
}

/// Writes the submission for free-running index `index`; nothing is published.
pub fn write_submission(index: u32, words: &[u64; 8]) {
    let layout = layout();
    let entry = (index & (layout.submission_entries - 1)) as usize;
    let entry = place(layout.submissions_offset() + entry * SUBMISSION_BYTES, SUBMISSION_BYTES);
    // SAFETY: an aligned entry of the ring; no operation of the runtime is in flight.
    unsafe { entry.cast::<[u64; 8]>().write_volatile(*words) }
}

/// Reads the completion for free-running index `index`.
#[must_use]
pub fn read_completion(index: u32) -> [u64; 4] {
    let layout = layout();
    let entry = (index & (layout.completion_entries - 1)) as usize;
    let entry = place(layout.completions_offset() + entry * COMPLETION_BYTES, COMPLETION_BYTES);
    // SAFETY: an aligned, initialized entry of the ring.
    unsafe { entry.cast::<[u64; 4]>().read_volatile() }
}

/// Writes into the message area. Panics outside it.
pub fn write_area(offset: usize, bytes: &[u8]) {
    let target = place(layout().area_offset() + offset, bytes.len());
    // SAFETY: inside the area; no operation of the runtime owns any of it.
    unsafe { target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) }
}

/// Reads from the message area. Panics outside it.
pub fn read_area(offset: usize, bytes: &mut [u8]) {
    let source = place(layout().area_offset() + offset, bytes.len());
    // SAFETY: inside the area, which is initialized.
    unsafe { NonNull::from(&mut *bytes).cast().copy_from_nonoverlapping(source, bytes.len()) }
}

/// `enter`, with any arguments.
pub fn enter(min_complete: u64, deadline: u64, timer: u64) -> i64 {
    system_call(1, [min_complete, deadline, timer, 0])
}

/// Makes the runtime see the rings as they are now. Nothing may be in flight.
pub fn resynchronize() {
    thread::current().resynchronize();
}

/// Makes the runtime see the submissions as they are now; what is in flight stays so.
pub fn adopt_submissions() {
    thread::current().adopt_submissions();
}

/// A system call with any number and arguments.
pub fn system_call(number: u64, arguments: [u64; 4]) -> i64 {
    let result: i64;
    // SAFETY: as for the runtime's own system calls; memory is assumed to change.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// `enter` that does not wait, with extra flags set in RFLAGS; returns its result and the flags afterwards. The direction
/// flag is cleared again.
pub fn enter_with_flags(flags: u64) -> (i64, u64) {
    let result: i64;
    let after: u64;
    // SAFETY: the flags are set for the system call alone; what it changes is named.
    unsafe {
        core::arch::asm!(
            "pushfq",
            "or [rsp], {flags}",
            "popfq",
            "syscall",
            "pushfq",
            "pop {after}",
            "push 0x202",
            "popfq",
            flags = in(reg) flags,
            after = lateout(reg) after,
            inlateout("rax") 1u64 => result,
            in("rdi") 0u64,
            in("rsi") 0u64,
            in("rdx") 0u64,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    (result, after)
}

/// Reads a byte of any address.
pub fn load(address: u64) -> u8 {
    let value: u8;
    // SAFETY: a read; where there is nothing to read the process ends.
    unsafe {
        core::arch::asm!("mov {value}, [{address}]", value = out(reg_byte) value, address = in(reg) address)
    }
    value
}

/// Writes the byte 0 to any address. Only for addresses where the write must fail, or that are the caller's.
pub fn store(address: u64) {
    store_byte(address, 0);
}

/// The same with any byte.
pub fn store_byte(address: u64, value: u8) {
    // SAFETY: where the write is not refused the address is memory that the caller owns.
    unsafe {
        core::arch::asm!("mov [{address}], {value}", address = in(reg) address, value = in(reg_byte) value)
    }
}

/// Jumps to any address. Only for addresses where execution must fail.
pub fn jump(address: u64) -> ! {
    // SAFETY: the jump ends the process.
    unsafe { core::arch::asm!("jmp {address}", "ud2", address = in(reg) address, options(noreturn)) }
}

/// Calls what is at any address as a function without arguments, and returns its result. Where there is nothing to execute
/// the process ends.
#[must_use]
pub fn call(address: u64) -> u64 {
    let result: u64;
    // SAFETY: a function of the caller's making, or the end of the process; registers that a function may change are named.
    unsafe {
        core::arch::asm!("call {address}", address = in(reg) address, lateout("rax") result, clobber_abi("sysv64"));
    }
    result
}

/// Loops forever without a system call, and without the hint that it does.
pub fn spin() -> ! {
    // SAFETY: jumps to itself.
    unsafe { core::arch::asm!("2: jmp 2b", options(noreturn, nomem, nostack)) }
}

/// The time-stamp counter.
#[must_use]
pub fn time_stamp() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter, or ends the process.
    unsafe { core::arch::asm!("rdtsc", out("eax") low, out("edx") high) }
    u64::from(low) | u64::from(high) << 32
}

/// Fills all sixteen XMM registers with values made of `pattern`, writes the byte at `touch` (memory of the caller, which
/// may have no frame yet), enters the kernel without waiting, loops `rounds` times, and tells whether the registers still
/// hold the values.
#[must_use]
pub fn vector_state_survives(pattern: u64, touch: u64, rounds: u64) -> bool {
    vector_state_survives_enter(pattern, touch, rounds, [0, 0])
}

/// The same with an `enter` that waits for so many completions, up to a deadline.
#[must_use]
pub fn vector_state_survives_enter(
    pattern: u64,
    touch: u64,
    rounds: u64,
    [completions, deadline]: [u64; 2],
) -> bool {
    let (mut values, mut after) = ([[0u64; 2]; 16], [[0u64; 2]; 16]);
    for (index, value) in values.iter_mut().enumerate() {
        *value = [pattern ^ index as u64, !pattern.wrapping_add(index as u64)];
    }
    // SAFETY: reads and writes the two arrays and the caller's byte alone; the vector registers and those that a system call
    // changes are named.
    unsafe {
        core::arch::asm!(
            "movdqu xmm0, [{values}]", "movdqu xmm1, [{values} + 16]", "movdqu xmm2, [{values} + 32]",
            "movdqu xmm3, [{values} + 48]", "movdqu xmm4, [{values} + 64]", "movdqu xmm5, [{values} + 80]",
            "movdqu xmm6, [{values} + 96]", "movdqu xmm7, [{values} + 112]", "movdqu xmm8, [{values} + 128]",
            "movdqu xmm9, [{values} + 144]", "movdqu xmm10, [{values} + 160]", "movdqu xmm11, [{values} + 176]",
            "movdqu xmm12, [{values} + 192]", "movdqu xmm13, [{values} + 208]", "movdqu xmm14, [{values} + 224]",
            "movdqu xmm15, [{values} + 240]",
            "mov byte ptr [{touch}], 0", "syscall",
            "2:", "dec {rounds}", "jnz 2b",
            "movdqu [{after}], xmm0", "movdqu [{after} + 16], xmm1", "movdqu [{after} + 32], xmm2",
            "movdqu [{after} + 48], xmm3", "movdqu [{after} + 64], xmm4", "movdqu [{after} + 80], xmm5",
            "movdqu [{after} + 96], xmm6", "movdqu [{after} + 112], xmm7", "movdqu [{after} + 128], xmm8",
            "movdqu [{after} + 144], xmm9", "movdqu [{after} + 160], xmm10", "movdqu [{after} + 176], xmm11",
            "movdqu [{after} + 192], xmm12", "movdqu [{after} + 208], xmm13", "movdqu [{after} + 224], xmm14",
            "movdqu [{after} + 240], xmm15",
            values = in(reg) values.as_ptr(),
            after = in(reg) after.as_mut_ptr(),
            touch = in(reg) touch,
            rounds = inout(reg) rounds.max(1) => _,
            inout("rax") 1u64 => _, in("rdi") completions, in("rsi") deadline, in("rdx") 0u64, out("rcx") _, out("r11") _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
        );
    }
    values == after
}

/// Runs exactly `2 * rounds` instructions, give or take a handful.
pub fn count_down(rounds: u64) {
    // SAFETY: changes one register.
    unsafe { core::arch::asm!("2:", "dec {rounds}", "jnz 2b", rounds = inout(reg) rounds.max(1) => _) }
}

macro_rules! instructions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, [$($line:literal),+];)+) => {
        /// An instruction that ring 3 must not get away with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Forbidden { $($(#[doc = $doc])+ $name,)+ }

        impl Forbidden {
            /// Every one, with its word.
            pub const ALL: &'static [(Forbidden, &'static str)] = &[$((Forbidden::$name, $word),)+];

            /// Executes it.
            pub fn execute(self) {
                match self {
                    // SAFETY: the instruction ends the process. If it does not, the registers that it may have changed
                    // are named, and the caller tells that the test failed.
                    $(Forbidden::$name => unsafe {
                        core::arch::asm!(
                            "sub rsp, 256",
                            $($line,)+
                            "add rsp, 256",
                            out("rax") _, out("rcx") _, out("rdx") _,
                        );
                    },)+
                }
            }
        }
    };
}

instructions! {
    /// The illegal instruction.
    Illegal = "ud2", ["ud2"];
    /// Halts the processor.
    Halt = "hlt", ["hlt"];
    /// Switches interrupts off.
    DisableInterrupts = "cli", ["cli"];
    /// Switches interrupts on.
    EnableInterrupts = "sti", ["sti"];
    /// Reads a port.
    PortRead = "in", ["mov dx, 0xf4", "in al, dx"];
    /// Writes the port that would end the machine.
    PortWrite = "out", ["mov dx, 0xf4", "mov al, 0x10", "out dx, al"];
    /// Reads the page table's address.
    ReadControl = "read cr3", ["mov rax, cr3"];
    /// Switches protection off.
    WriteControl = "write cr0", ["xor eax, eax", "mov cr0, rax"];
    /// Reads a debug register.
    ReadDebug = "read dr7", ["mov rax, dr7"];
    /// Reads a model-specific register.
    ReadModelSpecific = "rdmsr", ["mov ecx, 0xc0000080", "rdmsr"];
    /// Writes the system call's target.
    WriteModelSpecific = "wrmsr", ["mov ecx, 0xc0000082", "xor eax, eax", "xor edx, edx", "wrmsr"];
    /// Loads a descriptor table.
    LoadDescriptors = "lgdt", ["lgdt [rsp]"];
    /// Loads the interrupt table.
    LoadInterrupts = "lidt", ["lidt [rsp]"];
    /// Tells where the descriptor table is.
    StoreDescriptors = "sgdt", ["sgdt [rsp]"];
    /// Loads the task register.
    LoadTask = "ltr", ["xor eax, eax", "ltr ax"];
    /// Forgets a page's translation.
    InvalidatePage = "invlpg", ["invlpg [rsp]"];
    /// Throws the caches away.
    InvalidateCaches = "invd", ["invd"];
    /// Swaps the kernel's segment base in.
    SwapSegments = "swapgs", ["swapgs"];
    /// Returns to ring 3 from ring 3.
    SystemReturn = "sysret", ["lea rcx, [rip + 2f]", "pushfq", "pop r11", "sysretq", "2:"];
    /// The time-stamp counter, which only a time page grants.
    TimeStamp = "rdtsc", ["rdtsc"];
    /// A performance counter.
    PerformanceCounter = "rdpmc", ["xor ecx, ecx", "rdpmc"];
    /// An extended control register.
    SetExtendedState = "xsetbv", ["xor ecx, ecx", "mov eax, 1", "xor edx, edx", "xsetbv"];
    /// A software interrupt with a free number.
    Interrupt128 = "int 0x80", ["int 0x80"];
    /// A software interrupt that pretends to be a page fault.
    InterruptPageFault = "int 14", ["int 14"];
    /// A software interrupt that pretends to be a double fault.
    InterruptDoubleFault = "int 8", ["int 8"];
    /// A software interrupt that pretends to be the timer.
    InterruptTimer = "int 32", ["int 32"];
    /// A breakpoint.
    Breakpoint = "int3", ["int3"];
    /// The other system call instruction.
    SystemEnter = "sysenter", ["sysenter"];
    /// Divides by zero.
    DivideByZero = "div", ["xor eax, eax", "xor ecx, ecx", "xor edx, edx", "div ecx"];
    /// A quotient that does not fit.
    DivideOverflow = "idiv", ["mov eax, 0x80000000", "mov edx, 0xffffffff", "mov ecx, -1", "idiv ecx"];
    /// Sets the trap flag.
    SingleStep = "trap flag", ["pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop"];
    /// Sets the trap flag over a system call.
    SingleStepCall = "trap flag over syscall", ["mov eax, 1", "xor edi, edi", "xor esi, esi", "xor edx, edx", "pushfq", "or qword ptr [rsp], 0x100", "popfq", "syscall", "nop"];
    /// An x87 division by zero that is not masked.
    FloatException = "fdiv", ["mov word ptr [rsp], 0x37b", "fldcw [rsp]", "fld1", "fldz", "fdivp", "fwait"];
    /// Returns to the kernel's code segment.
    KernelSegment = "far return to ring 0", ["push 8", "lea rax, [rip + 2f]", "push rax", "retfq", "2:"];
    /// Loads the kernel's stack segment.
    KernelStack = "mov ss", ["mov eax, 16", "mov ss, ax"];
}
