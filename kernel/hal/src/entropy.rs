//! The processor's random sources. Called by the kernel's entropy pool; virtio-rng has a driver in ring 3.

use crate::cpu;
use core::arch::asm;

/// Attempts before a source counts as exhausted for now; RDSEED is slower than its readers.
const ATTEMPTS: usize = 32;

/// 64 bits of RDSEED; `None` if the processor has none or none left after some attempts.
pub fn rdseed() -> Option<u64> {
    if !cpu::features().rdseed {
        return None;
    }
    (0..ATTEMPTS).find_map(|_| {
        let (value, valid): (u64, u8);
        // SAFETY: the processor has the instruction, which changes nothing but the register and the flags.
        unsafe { asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) valid, options(nomem, nostack)) }
        (valid != 0).then_some(value)
    })
}

/// 64 bits of RDRAND; `None` if the processor has none or none left after some attempts.
pub fn rdrand() -> Option<u64> {
    if !cpu::features().rdrand {
        return None;
    }
    (0..ATTEMPTS).find_map(|_| {
        let (value, valid): (u64, u8);
        // SAFETY: the processor has the instruction, which changes nothing but the register and the flags.
        unsafe { asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) valid, options(nomem, nostack)) }
        (valid != 0).then_some(value)
    })
}
