//! The processor itself: features, control registers, idling.
//!
//! Called by the start-up code, by the scheduler (idle) and by the log (features).
//!
//! Invariant: control registers are written whole, from what this kernel wants, whatever the boot stage left in them.

use crate::interrupts;
use crate::user::Event;
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};

/// DR7 without breakpoints; bit 10 is always set.
const NO_BREAKPOINTS: u64 = 1 << 10;

/// What the processor has and this kernel has switched on or uses.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Ring 0 cannot execute user pages.
    pub smep: bool,
    /// Ring 0 cannot access user pages.
    pub smap: bool,
    /// Ring 3 cannot read descriptor-table registers.
    pub umip: bool,
    /// Machine checks can be told as exceptions.
    pub machine_check: bool,
    /// RDRAND is there.
    pub rdrand: bool,
    /// RDSEED is there.
    pub rdseed: bool,
    /// SSE4.2 is there, with its CRC-32C instruction; processes are compiled for it.
    pub sse42: bool,
    /// The TSC runs at a constant rate in all power states.
    pub invariant_tsc: bool,
    /// Runs under a hypervisor or emulator.
    pub hypervisor: bool,
}

static FEATURES: spin::Once<Features> = spin::Once::new();

/// The features of this processor.
pub fn features() -> Features {
    *FEATURES.call_once(read_features)
}

fn read_features() -> Features {
    let bit = |register: u32, bit: u32| register & (1 << bit) != 0;
    let highest = __cpuid(0).eax;
    let basic = __cpuid(1);
    let (structured_ebx, structured_ecx) = if highest >= 7 {
        let leaf = __cpuid_count(7, 0);
        (leaf.ebx, leaf.ecx)
    } else {
        (0, 0)
    };
    let power = if __cpuid(0x8000_0000).eax >= 0x8000_0007 { __cpuid(0x8000_0007).edx } else { 0 };
    Features {
        smep: bit(structured_ebx, 7),
        smap: bit(structured_ebx, 20),
        umip: bit(structured_ecx, 2),
        machine_check: bit(basic.edx, 7),
        rdrand: bit(basic.ecx, 30),
        rdseed: bit(structured_ebx, 18),
        sse42: bit(basic.ecx, 20),
        invariant_tsc: bit(power, 8),
        hypervisor: bit(basic.ecx, 31),
    }
}

/// CR4 as this kernel wants it. PCID, FSGSBASE and XSAVE stay off: ring 3 has neither thread pointer nor AVX.
fn control_register_4(features: &Features) -> Cr4Flags {
    let mut flags = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
        | Cr4Flags::OSFXSR
        | Cr4Flags::OSXMMEXCPT_ENABLE
        | Cr4Flags::TIMESTAMP_DISABLE;
    flags.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.smep);
    flags.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    flags.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    // Without it a machine check resets the machine, and nobody is told.
    flags.set(Cr4Flags::MACHINE_CHECK_EXCEPTION, features.machine_check);
    flags
}

/// Brings the processor into the state that ring 0 and ring 3 rely on.
///
/// # Safety
/// The kernel's code, data and stack are mapped by 4-level tables, with NX where they are not code.
pub(crate) unsafe fn initialize() {
    let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE
        | Cr0Flags::MONITOR_COPROCESSOR
        | Cr0Flags::EXTENSION_TYPE
        | Cr0Flags::NUMERIC_ERROR
        | Cr0Flags::WRITE_PROTECT
        | Cr0Flags::PAGING;
    // SAFETY: keeps protection and paging on; write protection only refuses what Rust would not do.
    unsafe { Cr0::write(cr0) };
    // SAFETY: keeps 4-level paging; only features that the processor has are switched on, and the kernel touches no
    // user page.
    unsafe { Cr4::write(control_register_4(&features())) };
    let efer = EferFlags::LONG_MODE_ENABLE
        | EferFlags::LONG_MODE_ACTIVE
        | EferFlags::NO_EXECUTE_ENABLE
        | EferFlags::SYSTEM_CALL_EXTENSIONS;
    // SAFETY: stays in long mode; the caller promises that the tables are right with NX.
    unsafe { Efer::write(efer) };
    // SAFETY: no breakpoint of whoever ran before interrupts ring 0.
    unsafe { asm!("mov dr7, {}", in(reg) NO_BREAKPOINTS, options(nomem, nostack, preserves_flags)) };
}

/// Sets or clears CR4.TSD, without which ring 3 may execute RDTSC.
pub(crate) fn set_time_stamp_access(allowed: bool) {
    let mut flags = control_register_4(&features());
    flags.set(Cr4Flags::TIMESTAMP_DISABLE, !allowed);
    // SAFETY: as in `initialize`; TSD concerns ring 3 alone.
    unsafe { Cr4::write(flags) };
}

/// Lets an interrupt that is pending arrive, if there is one: ring 0 calls this between two pieces of what takes long.
pub fn take_interrupt() -> Event {
    // SAFETY: as in `idle`; the instruction behind `sti` is the one that an interrupt comes behind.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) }
    interrupts::take_arrived()
}

/// Waits with interrupts on until one arrives. Returns at once if one is pending.
pub fn idle() -> Event {
    // SAFETY: the interrupt stubs handle every vector, note it in `interrupts::arrived` and return here with
    // interrupts off.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) }
    interrupts::take_arrived()
}
