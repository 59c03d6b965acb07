//! The memory that this process shares with its device: one DmaMemory, handed out in whole pages.
//!
//! Called by `virtio`; drivers see [`DmaBuffer`]. Calls the generated clients of Device and DmaMemory.
//!
//! Invariant: a page is either free, in one buffer, or with the device for good; nobody else holds the capability, so the
//! program alone decides what the device is told of. One thread, one device.

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use capos_abi::error::{CallError, Exception, Transport};
use capos_schema::device::Device;
use capos_schema::dma_memory::DmaMemory;
use capos_schema::virtual_memory::VirtualMemory;

use crate::capability::Cap;

pub(super) const PAGE: usize = 4096;
/// Pages at most: what `Device.allocate` gives in one piece.
const PAGES_MAX: usize = 1024;
const WORDS: usize = PAGES_MAX / 64;

struct Arena {
    /// Kept for as long as the process lives.
    object: Option<Cap<DmaMemory>>,
    address: usize,
    physical: u64,
    pages: usize,
    /// One bit for each page that is in use.
    used: [u64; WORDS],
}

struct Shared(UnsafeCell<Arena>);

// SAFETY: the runtime has one thread, and no interrupt handlers.
unsafe impl Sync for Shared {}

static ARENA: Shared =
    Shared(UnsafeCell::new(Arena { object: None, address: 0, physical: 0, pages: 0, used: [0; WORDS] }));

/// Runs `use_arena` on the arena.
fn with<R>(use_arena: impl FnOnce(&mut Arena) -> R) -> R {
    // SAFETY: one thread, and what runs under `with` does not come here again, so there is no second reference.
    use_arena(unsafe { &mut *ARENA.0.get() })
}

/// Allocates and maps the memory. Once in the life of a process.
///
/// # Errors
/// [`Exception::Failed`] for a second time; what the calls say.
pub(super) fn start(
    device: &Cap<Device>,
    memory: &Cap<VirtualMemory>,
    bytes: usize,
) -> Result<(), CallError> {
    if with(|arena| arena.object.is_some()) {
        return Err(Exception::Failed.into());
    }
    let object = device.allocate(bytes as u64)?;
    let info = object.info()?;
    let address = object.map(memory)?;
    let pages = (info.bytes / PAGE as u64) as usize;
    if address == 0 || !address.is_multiple_of(PAGE as u64) || pages > PAGES_MAX {
        return Err(Transport::BadMessage.into());
    }
    with(|arena| {
        let physical = info.address;
        *arena = Arena { object: Some(object), address: address as usize, physical, pages, used: [0; WORDS] };
    });
    Ok(())
}

impl Arena {
    fn is_used(&self, page: usize) -> bool {
        self.used[page / 64] & 1 << (page % 64) != 0
    }

    fn mark(&mut self, first: usize, count: usize, is_used: bool) {
        for page in first..first + count {
            let bit = 1 << (page % 64);
            if is_used {
                self.used[page / 64] |= bit;
            } else {
                self.used[page / 64] &= !bit;
            }
        }
    }

    fn take(&mut self, count: usize) -> Option<usize> {
        let mut run = 0;
        for page in 0..self.pages {
            run = if self.is_used(page) { 0 } else { run + 1 };
            if run == count {
                let first = page + 1 - count;
                self.mark(first, count, true);
                return Some(first);
            }
        }
        None
    }
}

/// Pages in a row that belong to the program: the device was told nothing of them.
#[derive(Debug)]
pub struct DmaBuffer {
    first: usize,
    pages: usize,
    address: NonNull<u8>,
}

impl DmaBuffer {
    /// Room for at least `bytes`; `None` when no such row of pages is free, or for none.
    pub(super) fn new(bytes: usize) -> Option<DmaBuffer> {
        let pages = bytes.div_ceil(PAGE);
        if pages == 0 {
            return None;
        }
        with(|arena| {
            let first = arena.take(pages)?;
            let address = NonNull::new(ptr::with_exposed_provenance_mut(arena.address + first * PAGE))?;
            Some(DmaBuffer { first, pages, address })
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: pages that are mapped for as long as the process lives, in this buffer alone; the device is not told of
        // them while the program has it.
        unsafe { core::slice::from_raw_parts(self.address.as_ptr(), self.pages * PAGE) }
    }

    /// Its bytes, to write.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.address.as_ptr(), self.pages * PAGE) }
    }

    /// Where the device finds it.
    #[must_use]
    pub fn device_address(&self) -> u64 {
        with(|arena| arena.physical + (self.first * PAGE) as u64)
    }

    /// The pages are the device's from now on, for good.
    pub(super) fn give_away(self) -> (u64, NonNull<u8>) {
        let given = (self.device_address(), self.address);
        core::mem::forget(self);
        given
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        with(|arena| arena.mark(self.first, self.pages, false));
    }
}

/// Where the device finds the memory at `address`; 0 for memory that it does not reach.
pub(super) fn device_address(address: usize) -> u64 {
    with(|arena| match address.checked_sub(arena.address) {
        Some(offset) if offset < arena.pages * PAGE => arena.physical + offset as u64,
        _ => 0,
    })
}
