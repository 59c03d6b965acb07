//! The kernel's heap: linked_list_allocator as `#[global_allocator]`, over a region set aside at start-up (16 MiB, less
//! on a small machine, more on one with room for thousands of processes).
//!
//! Called by `alloc`, which is built with `--cfg no_global_oom_handling`: only functions that can refuse exist. First
//! fit is linear, so what ring 3 can create comes from pools; this serves start-up and rare sizes.
//!
//! Invariant: an allocation that does not fit is refused with a null pointer, never with a panic.

use crate::PAGE_BYTES;
use crate::frames;
use crate::paging::DIRECT_MAP;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use linked_list_allocator::Heap;
use spin::Mutex;

/// A machine of this heap's size has enough of it for whatever fits into its memory.
const BYTES: usize = 16 << 20;
/// Of a small machine's memory the heap takes this part at most,
const SHARE: usize = 16;
/// and of a large one's this, which holds more processes,
const LARGE_SHARE: usize = 32;
/// up to here.
const BYTES_MAX: usize = 128 << 20;

struct KernelHeap(Mutex<Heap>);

#[cfg_attr(target_os = "none", global_allocator)]
static HEAP: KernelHeap = KernelHeap(Mutex::new(Heap::empty()));

// SAFETY: the blocks come from one heap behind a lock, in memory that belongs to it alone.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if frames::is_refused() {
            return ptr::null_mut();
        }
        self.0.lock().allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller's promise: allocated here with this layout.
            unsafe { self.0.lock().deallocate(block, layout) };
        }
    }
}

/// Sets the heap's memory aside; false if there is none.
///
/// # Safety
/// Called once, at start-up, after [`frames::initialize`].
pub(crate) unsafe fn initialize() -> bool {
    let total = frames::total_count();
    let enough = (BYTES / PAGE_BYTES).max(total / LARGE_SHARE).min(BYTES_MAX / PAGE_BYTES);
    let pages = enough.min(total / SHARE);
    let Some(physical) = frames::allocate_contiguous(pages as u32) else {
        return false;
    };
    let start = (DIRECT_MAP + physical) as *mut u8;
    // SAFETY: frames that were just taken for ever; the heap is empty until now.
    unsafe { HEAP.0.lock().init(start, pages * PAGE_BYTES) };
    true
}

/// Bytes that are free.
pub fn free_bytes() -> usize {
    HEAP.0.lock().free()
}
