//! Where things lie in a process's address space.
//!
//! Called by process creation, which puts them there, and by the VirtualMemory object, which stays in its window.
//!
//! Invariant: the regions are apart by at least a page that is never mapped, so running over an end is a fault. All but
//! large reservations and mappings share the first GiB, and the upper end of the stack, the ring and the CapSet a stretch of
//! 2 MiB in it, which keeps the page tables of a small process at one frame for each level and one for each 2 MiB in use.

use capos_kernel_core::pages::Pages;

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

/// Pages in which VirtualMemory makes what is smaller than 2 MiB, as long as there is room: above the image, and below the
/// largest stack.
pub(crate) const SMALL_WINDOW: Pages = Pages { start: 0x3_0000, end: 0x3_b000 };
/// The first address behind the stack of the first thread.
pub(crate) const STACK_END: u64 = 0x3fe7_f000;
/// The ring region of the first thread; the largest is 305 pages long.
pub(crate) const RING: u64 = 0x3fe8_0000;
/// The CapSet page.
pub(crate) const CAPSET: u64 = 0x3fff_e000;
/// Pages in which VirtualMemory makes everything else: from 1 GiB to the end of the lower half.
pub(crate) const MEMORY_WINDOW: Pages = Pages { start: 0x4_0000, end: 0x7_ffff_ff00 };

const _: () = assert!(RING + 305 * PAGE < CAPSET && STACK_END < RING);
const _: () = assert!(STACK_END - STACK_BYTES_MAX > SMALL_WINDOW.end * PAGE);

/// True for pages that VirtualMemory makes and unmakes.
pub(crate) fn is_arranged(pages: &Pages) -> bool {
    SMALL_WINDOW.contains(pages) || MEMORY_WINDOW.contains(pages)
}

/// Page tables that the first GiB needs above the lowest level: the root's entry and the next.
pub(crate) const LOW_UPPER_TABLES: u64 = 2;

/// Bytes of a stack if nothing else is asked for.
pub(crate) const STACK_BYTES_DEFAULT: u64 = 256 * 1024;
/// Bytes of a stack at most.
pub(crate) const STACK_BYTES_MAX: u64 = 64 << 20;
