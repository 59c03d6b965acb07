//! The system calls, as instructions.
//!
//! Numbers and arguments are those of [`capos_abi::system_call`]. Called by `thread` and `start`. On a build host, where
//! there is no such kernel, the tests' stand-in answers.
//!
//! Invariant: every register that the kernel destroys is named, and memory is assumed to change.

use capos_abi::system_call::ExitScope;
#[cfg(not(test))]
use capos_abi::system_call::SystemCall;

/// `enter`: hands over submissions and waits; see [`SystemCall::Enter`] for arguments and result.
#[cfg(target_os = "none")]
#[inline]
pub(crate) fn enter(min_complete: u64, deadline: u64, timer: u64) -> i64 {
    let result: i64;
    // SAFETY: the instruction enters the kernel, which writes only to memory that operations own and keeps every
    // register but the two named as clobbered and the result.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") SystemCall::Enter as u64 => result,
            in("rdi") min_complete,
            in("rsi") deadline,
            in("rdx") timer,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// `exit`: ends the thread or the process with an exit status word and a report.
#[cfg(target_os = "none")]
pub(crate) fn exit(scope: ExitScope, status: u64, report: &str) -> ! {
    // SAFETY: the kernel reads the report and never returns.
    unsafe {
        core::arch::asm!(
            "syscall",
            "ud2",
            in("rax") SystemCall::Exit as u64,
            in("rdi") scope as u64,
            in("rsi") status,
            in("rdx") report.as_ptr(),
            in("r10") report.len(),
            options(noreturn, nostack),
        );
    }
}

#[cfg(all(test, not(target_os = "none")))]
pub(crate) use super::fake::enter;

/// Without a kernel nothing can be entered.
#[cfg(all(not(test), not(target_os = "none")))]
pub(crate) fn enter(_min_complete: u64, _deadline: u64, _timer: u64) -> i64 {
    unreachable!("{:?}: the runtime runs on capOS only", SystemCall::Enter)
}

/// Without a kernel the end of the process is the host's.
#[cfg(not(target_os = "none"))]
pub(crate) fn exit(scope: ExitScope, status: u64, report: &str) -> ! {
    panic!("exit of {scope:?} with status {status:#x}: {report}")
}
