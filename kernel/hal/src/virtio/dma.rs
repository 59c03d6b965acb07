//! Memory that devices access: frames, by their physical address.
//!
//! Called by `virtio-drivers` for queues, and by the drivers here for buffers.

use crate::PAGE_BYTES;
use crate::frames::{Frame, SharedFrame};
use crate::paging::{self, DIRECT_MAP};
use core::ptr::NonNull;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

/// This kernel, as `virtio-drivers` sees it.
#[derive(Debug)]
pub(super) struct Dma;

// SAFETY: see each function.
unsafe impl Hal for Dma {
    /// One frame; address 0 means refused. No queue of this kernel needs two pages in a row.
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match Frame::new() {
            Ok(frame) if pages == 1 => {
                let physical = frame.share().into_raw();
                // A frame of its own, zeroed, in the direct map.
                match NonNull::new((DIRECT_MAP + physical) as *mut u8) {
                    Some(address) => (physical, address),
                    None => (0, NonNull::dangling()),
                }
            }
            _ => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _address: NonNull<u8>, _pages: usize) -> i32 {
        // SAFETY: the caller's promise: from `dma_alloc`, which made it with `into_raw`.
        drop(unsafe { SharedFrame::from_raw(physical) });
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        for page in (physical..physical + size as u64).step_by(PAGE_BYTES) {
            paging::map_device(page);
        }
        // The PCI code puts devices below 4 GiB, all of which is in the direct map.
        NonNull::new((DIRECT_MAP + physical) as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        // Buffers of the drivers here are frames, in the direct map.
        buffer.cast::<u8>().as_ptr() as u64 - DIRECT_MAP
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
