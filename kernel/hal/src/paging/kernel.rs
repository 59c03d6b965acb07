//! The kernel's half of every address space: made by the boot stage, tightened here once, then never changed.
//!
//! Called by the start-up code, the local APIC and the PCI code.
//!
//! Invariant: kernel text is executable and not writable, everything else is not executable, the boot image is
//! read-only, and the lower half of the kernel's own root is empty.

use super::table::{
    ADDRESS, CACHE_DISABLED, DIRECT_MAP, ENTRIES, LARGE, PRESENT, Table, USER, WRITABLE, WRITE_THROUGH, index,
};
use crate::cpu;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::registers::control::Cr3;

/// The root that the kernel runs on when no process's is loaded.
static ROOT: AtomicU64 = AtomicU64::new(0);
/// The key that is loaded: the root, and [`TIME_STAMP_ACCESS`].
static LOADED: AtomicU64 = AtomicU64::new(0);

/// The bit of a key that says whether ring 3 may execute RDTSC (CR4.TSD is clear). Roots are page-aligned, and CR3 ignores it.
pub(super) const TIME_STAMP_ACCESS: u64 = 1;

/// Takes over the boot stage's tables and empties their lower half.
///
/// # Safety
/// Called once, at start-up, when nothing in the lower half is needed any more (stack and descriptor tables are in
/// the upper half), with physical memory mapped at [`DIRECT_MAP`].
pub(crate) unsafe fn initialize() {
    let root = Cr3::read().0.start_address().as_u64();
    ROOT.store(root, Ordering::Relaxed);
    // SAFETY: CR3 holds the root.
    let table = unsafe { Table::new(root) };
    for entry in 0..256 {
        // SAFETY: removes mappings that the caller says nobody needs.
        unsafe { table.set(entry, 0) };
    }
    LOADED.store(0, Ordering::Relaxed);
    load(root);
}

/// The kernel's root.
pub(crate) fn root() -> Table {
    // SAFETY: the kernel's root is a page table for ever.
    unsafe { Table::new(ROOT.load(Ordering::Relaxed)) }
}

/// Loads a root, and what ring 3 may do there, if they are not loaded.
#[inline(always)] // On the way of every switch between processes.
pub(super) fn load(key: u64) {
    let loaded = LOADED.load(Ordering::Relaxed);
    if loaded == key {
        return;
    }
    // SAFETY: callers pass the kernel's root or an address space's; the upper half is the same in all of them.
    unsafe { asm!("mov cr3, {}", in(reg) key, options(nostack, preserves_flags)) };
    LOADED.store(key, Ordering::Relaxed);
    if (loaded ^ key) & TIME_STAMP_ACCESS != 0 {
        set_time_stamp_access(key & TIME_STAMP_ACCESS != 0);
    }
}

#[cold]
#[inline(never)]
fn set_time_stamp_access(allowed: bool) {
    cpu::set_time_stamp_access(allowed);
}

/// Loads the kernel's root if `physical` is the one that is loaded: it is about to be freed.
pub(super) fn unload(physical: u64) {
    if is_loaded(physical) {
        load(ROOT.load(Ordering::Relaxed));
    }
}

/// True if this root is the one that is loaded.
pub(super) fn is_loaded(physical: u64) -> bool {
    LOADED.load(Ordering::Relaxed) & !TIME_STAMP_ACCESS == physical
}

/// Makes the processor forget what it knows about a page of the loaded address space.
pub(super) fn flush(page: u64) {
    // SAFETY: forgetting a translation is always allowed.
    unsafe { asm!("invlpg [{}]", in(reg) page, options(nostack, preserves_flags)) };
}

/// The table and index of the entry that maps a kernel address, and the entry's level.
fn entry_of(address: u64) -> Option<(Table, usize, u32)> {
    let mut table = root();
    for level in (1..=4).rev() {
        let at = index(address, level);
        let entry = table.get(at);
        if entry & PRESENT == 0 {
            return None;
        }
        if level == 1 || entry & LARGE != 0 {
            return Some((table, at, level));
        }
        table = table.child(at)?;
    }
    None
}

/// Takes away a page of the kernel's image.
///
/// # Safety
/// Nothing refers to the bytes in it.
pub(crate) unsafe fn unmap_kernel_page(address: u64) {
    if let Some((table, at, 1)) = entry_of(address) {
        // SAFETY: the caller's promise.
        unsafe { table.set(at, 0) };
        flush(address);
    }
}

/// Takes write permission away from `length` bytes of 4 KiB pages, and tells `each` where they are, in order; false if one
/// is not mapped so.
pub(crate) fn protect_kernel_pages(address: u64, length: u64, mut each: impl FnMut(u64)) -> bool {
    let end = address.saturating_add(length);
    let mut page = address;
    while page < end {
        let Some((table, first, 1)) = entry_of(page) else { return false };
        // One walk from the root for a whole table of pages.
        for at in first..ENTRIES {
            let entry = table.get(at);
            if page >= end {
                break;
            }
            if entry & PRESENT == 0 {
                return false;
            }
            // SAFETY: only takes a permission away.
            unsafe { table.set(at, entry & !WRITABLE) };
            each(entry & ADDRESS);
            page = page.saturating_add(crate::PAGE_BYTES as u64);
        }
    }
    forget_translations();
    true
}

/// Makes the processor forget what it knows about all pages: cheaper than page by page for many.
fn forget_translations() {
    // SAFETY: loads the root that is loaded; no page is global.
    unsafe {
        asm!("mov {root}, cr3", "mov cr3, {root}", root = out(reg) _, options(nostack, preserves_flags))
    };
}

/// The virtual address of device registers at a physical address below 4 GiB, mapped without caching. The 2 MiB
/// around them are devices too on every machine that this kernel runs on (0xe0000000 upward).
pub(crate) fn map_device(physical: u64) -> u64 {
    let address = DIRECT_MAP + physical;
    if let Some((table, at, 2)) = entry_of(address) {
        // SAFETY: changes how the processor caches device registers, nothing else.
        unsafe { table.set(at, table.get(at) | CACHE_DISABLED | WRITE_THROUGH) };
        flush(address);
    }
    address
}

/// Looks at every page of the kernel's image, from `start` on: true if none is writable and executable, or ring 3's.
pub(crate) fn image_is_tight(start: u64, bytes: u64) -> bool {
    (start..start + bytes).step_by(crate::PAGE_BYTES).filter_map(entry_of).all(|(table, at, _)| {
        let entry = table.get(at);
        entry & USER == 0 && (entry & WRITABLE == 0 || entry & super::table::NO_EXECUTE != 0)
    })
}
