//! The global allocator: the heap's rules (`heap`) carried out on raw memory.
//!
//! Called by `alloc`; calls `memory` for addresses and frames and `linked_list_allocator` for small blocks. Without a
//! capability named [`crate::heap::MEMORY`] every allocation is refused.
//!
//! Invariant: one thread. A block is either inside the range of small ones or starts a row of the table of large ones.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;

use super::memory::Memory;
use crate::heap::{
    Announcement, LARGE, LARGE_BLOCKS, Large, PAGE, RESERVATION, SMALL_RESERVATION, SMALL_STEP,
};

/// The heap's state.
struct State {
    memory: Option<Memory>,
    small: Heap,
    large: [Large; LARGE_BLOCKS],
    announced: Option<Announcement>,
    refused: bool,
}

/// The allocator that this runtime installs.
pub(crate) struct Allocator(UnsafeCell<State>);

// SAFETY: the runtime has one thread, and no interrupt handlers.
unsafe impl Sync for Allocator {}

#[cfg_attr(target_os = "none", global_allocator)]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(State {
    memory: None,
    small: Heap::empty(),
    large: [Large { address: 0, reserved: 0, committed: 0, capacity: 0 }; LARGE_BLOCKS],
    announced: None,
    refused: false,
}));

/// Lets the heap use the process's address space. Called once, at the start.
#[cfg(target_os = "none")]
pub(crate) fn start(memory: Memory) {
    with(|state| state.memory = Some(memory));
}

/// See [`crate::heap::prepare_growth`].
pub(crate) fn announce(growth: Announcement) -> bool {
    with(|state| state.announce(growth))
}

/// True if an allocation was refused, which explains a panic that follows.
#[cfg(target_os = "none")]
pub(crate) fn was_refused() -> bool {
    with(|state| state.refused)
}

/// Runs `use_state` on the heap's state.
fn with<R>(use_state: impl FnOnce(&mut State) -> R) -> R {
    // SAFETY: one thread, and nothing that runs under `with` allocates, so there is no second reference.
    use_state(unsafe { &mut *ALLOCATOR.0.get() })
}

impl State {
    fn allocate(&mut self, layout: Layout, announced: Option<Announcement>) -> *mut u8 {
        let is_large = layout.size() >= LARGE && layout.align() <= PAGE;
        let large = if is_large { self.allocate_large(layout.size(), announced) } else { None };
        let pointer = match large {
            Some(address) => ptr::with_exposed_provenance_mut(address),
            None => self.allocate_small(layout),
        };
        self.refused |= pointer.is_null();
        pointer
    }

    fn allocate_small(&mut self, layout: Layout) -> *mut u8 {
        if let Ok(pointer) = self.small.allocate_first_fit(layout) {
            return pointer.as_ptr();
        }
        if self.grow_small(layout.size() + layout.align()).is_none() {
            return ptr::null_mut();
        }
        self.small.allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Commits `bytes` more, in whole steps, or if that is too much in whole pages.
    fn grow_small(&mut self, bytes: usize) -> Option<()> {
        let memory = self.memory?;
        let bytes = bytes.checked_add(2 * size_of::<usize>())?;
        let is_first = self.small.size() == 0;
        let start = if is_first {
            memory.reserve(SMALL_RESERVATION).ok()?
        } else {
            self.small.bottom().expose_provenance()
        };
        let end = start + self.small.size();
        let commit = |granule: usize| {
            let step = bytes.checked_next_multiple_of(granule)?;
            let is_inside = self.small.size().checked_add(step)? <= SMALL_RESERVATION;
            (is_inside && memory.commit(end, step).is_ok()).then_some(step)
        };
        let step = commit(SMALL_STEP).or_else(|| commit(PAGE));
        match (is_first, step) {
            (true, Some(step)) => {
                // SAFETY: the range was just reserved and committed for this heap alone, and is never given back.
                unsafe { self.small.init(ptr::with_exposed_provenance_mut(start), step) };
                Some(())
            }
            (true, None) => memory.unmap(start, SMALL_RESERVATION).ok().and(None),
            (false, Some(step)) => {
                // SAFETY: the pages right behind the heap were just committed and belong to its reservation.
                unsafe { self.small.extend(step) };
                Some(())
            }
            (false, None) => None,
        }
    }

    fn allocate_large(&mut self, size: usize, announced: Option<Announcement>) -> Option<usize> {
        let memory = self.memory?;
        let whole = size.checked_next_multiple_of(PAGE)?;
        let committed = Announcement::commit_of(announced, size).next_multiple_of(PAGE);
        let row = self.large.iter_mut().find(|row| row.address == 0)?;
        let wished = RESERVATION.max(whole);
        let (address, reserved) = match memory.reserve(wished) {
            Ok(address) => (address, wished),
            Err(_) => (memory.reserve(whole).ok()?, whole),
        };
        if committed > 0 && memory.commit(address, committed).is_err() {
            memory.unmap(address, reserved).ok()?;
            return None;
        }
        *row = Large { address, reserved, committed, capacity: size };
        Some(address)
    }

    fn large(&mut self, pointer: *mut u8) -> Option<&mut Large> {
        let address = pointer.addr();
        self.large.iter_mut().find(|row| row.address == address)
    }

    /// Changes the size of a large block where it is; `None` if it is not one, or cannot.
    fn resize_large(&mut self, pointer: *mut u8, old_size: usize, new_size: usize) -> Option<()> {
        let memory = self.memory?;
        let block = self.large(pointer)?;
        let wanted = new_size.checked_next_multiple_of(PAGE)?;
        if wanted > block.reserved {
            return None;
        }
        if wanted > block.committed {
            memory.commit(block.address + block.committed, wanted - block.committed).ok()?;
            block.committed = wanted;
        } else if wanted < block.committed && new_size < old_size {
            memory.decommit(block.address + wanted, block.committed - wanted).ok()?;
            block.committed = wanted;
        }
        block.capacity = new_size;
        Some(())
    }

    fn announce(&mut self, growth: Announcement) -> bool {
        let Some(memory) = self.memory else { return false };
        let mut is_inside = false;
        for block in self.large.iter_mut().filter(|block| block.may_hold(growth)) {
            is_inside = true;
            let wanted = growth.desired.next_multiple_of(PAGE);
            if wanted > block.committed {
                if memory.commit(block.address + block.committed, wanted - block.committed).is_err() {
                    return false;
                }
                block.committed = wanted;
            }
        }
        // Kept for the zeroed block that is about to be asked for, if there has to be one.
        self.announced = Some(growth).filter(|growth| !is_inside && growth.desired > 0);
        true
    }

    fn free(&mut self, pointer: NonNull<u8>, layout: Layout) {
        let memory = self.memory;
        if let (Some(memory), Some(block)) = (memory, self.large(pointer.as_ptr())) {
            // A reservation that cannot be given back stays until the process ends; nothing uses it any more.
            let _ = memory.unmap(block.address, block.reserved);
            *block = Large::default();
            return;
        }
        // SAFETY: by GlobalAlloc's contract the block came from here with this layout; it is no large one.
        unsafe { self.small.deallocate(pointer, layout) };
    }
}

// SAFETY: blocks are disjoint, as large and aligned as asked for, and stay until they are freed; a block whose growth was
// announced is as large as its owner said that it would use.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        with(|state| state.allocate(layout, None))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let pointer = with(|state| {
            let announced = state.announced.take();
            state.allocate(layout, announced)
        });
        let is_fresh = with(|state| state.large(pointer).is_some());
        if !pointer.is_null() && !is_fresh {
            // SAFETY: the block has that many bytes. A fresh large one reads as zeros already.
            unsafe { ptr::write_bytes(pointer, 0, layout.size()) };
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            with(|state| state.free(pointer, layout));
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if with(|state| state.resize_large(pointer, layout.size(), new_size)).is_some() {
            return pointer;
        }
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        let new = with(|state| state.allocate(new_layout, None));
        if !new.is_null() {
            let kept = layout.size().min(new_size);
            // SAFETY: both blocks have that many bytes and do not overlap.
            unsafe { ptr::copy_nonoverlapping(pointer, new, kept) };
            // SAFETY: by the contract the old block came from here with this layout.
            unsafe { self.dealloc(pointer, layout) };
        }
        new
    }
}
