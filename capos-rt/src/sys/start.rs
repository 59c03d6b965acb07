//! The first and the last instructions of a process.
//!
//! The kernel jumps to `_start` with the address of the ring region in `rdi` and that of the CapSet page in `rsi`. This
//! adopts both, gives the heap its capability, and calls the program's `main`, which [`crate::entry`] names.
//!
//! Invariant: the globals here are written once, before any other code of the program runs, and there is one thread.

use core::cell::UnsafeCell;

use capos_abi::capset::PAGE_BYTES;

/// The CapSet page of the process.
pub(crate) type Page = [u8; PAGE_BYTES];

/// A value that is written once at the start.
struct Once<T>(UnsafeCell<Option<T>>);

// SAFETY: written before anything else runs, only read afterwards, by one thread.
unsafe impl<T> Sync for Once<T> {}

static PAGE: Once<&'static Page> = Once(UnsafeCell::new(None));

/// The CapSet page; none before the start, and none on a build host.
pub(crate) fn page() -> Option<&'static Page> {
    // SAFETY: nobody writes it any more.
    unsafe { *PAGE.0.get() }
}

#[cfg(target_os = "none")]
mod freestanding {
    //! What exists on capOS only.

    use core::ptr::NonNull;

    use capos_abi::capset;
    use capos_abi::outcome::{ExitStatus, OutcomeKind};
    use capos_abi::system_call::ExitScope;

    use super::{Once, PAGE, Page};
    use crate::heap::{MEMORY, MemoryInterface};
    use crate::sys::allocator;
    use crate::sys::memory::Memory;
    use crate::sys::region::Region;
    use crate::sys::system_call::exit;
    use crate::sys::thread::Thread;

    static THREAD: Once<Thread> = Once(core::cell::UnsafeCell::new(None));

    unsafe extern "Rust" {
        /// What [`crate::entry`] makes of the program's `main`.
        safe fn capos_main() -> !;
    }

    core::arch::global_asm!(
        ".globl _start",
        "_start:",
        // The end of the chain of frames, and a stack that is aligned whatever it was.
        "xor ebp, ebp",
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start,
    );

    extern "C" fn start(region: *mut u8, page: *const Page) -> ! {
        // SAFETY: the kernel passes the region of this thread, which lives as long as the process.
        let region = NonNull::new(region).and_then(|base| unsafe { Region::adopt(base) });
        let Some(region) = region else {
            fail("the ring region has a layout that this program does not know");
        };
        // SAFETY: the first code of the process: nothing else refers to the cell.
        unsafe { *THREAD.0.get() = Some(Thread::new(region)) };
        // SAFETY: the kernel passes the CapSet page, which is read-only and lives as long as the process.
        let page = unsafe { page.as_ref() };
        // SAFETY: as for the thread.
        unsafe { *PAGE.0.get() = page };
        let entry = page.and_then(|page| capset::find(page, MEMORY).ok().flatten());
        if let Some(entry) = entry
            && entry.interface == MemoryInterface::ID
        {
            allocator::start(Memory(entry.handle));
        }
        capos_main()
    }

    fn fail(report: &str) -> ! {
        exit(ExitScope::Process, ExitStatus { kind: OutcomeKind::Internal, code: 0 }.to_word(), report)
    }

    /// The thread.
    #[inline]
    pub(crate) fn current_thread() -> &'static Thread {
        // SAFETY: written at the start; afterwards only read.
        match unsafe { &*THREAD.0.get() } {
            Some(thread) => thread,
            None => fail("a call before the start"),
        }
    }

    /// A panic ends the process: as `memory` if an allocation was refused before, else as a failure of its own.
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        let kind = if allocator::was_refused() { OutcomeKind::Memory } else { OutcomeKind::Internal };
        let mut report = crate::report::Report::new();
        report.write(format_args!("{info}"));
        exit(ExitScope::Process, ExitStatus { kind, code: 0 }.to_word(), report.as_str())
    }
}

#[cfg(target_os = "none")]
pub(crate) use freestanding::current_thread;
