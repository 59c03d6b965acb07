//! The boot image in memory: bytes to read, and its frames to map.
//!
//! Made by the start-up code; used by the kernel for init and for BootPackage.
//!
//! Invariant: nothing ever writes it; its frames are sealed (`map` refuses `ReadWrite`) and are never freed.

use crate::PAGE_BYTES;
use crate::frames::{self, SharedFrame};
use crate::paging;

/// The boot image. Copies name the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Ramdisk {
    bytes: &'static [u8],
    physical: u64,
}

impl Ramdisk {
    /// Seals the image's frames and its mapping. `None` if it is empty or not mapped as the boot stages do.
    ///
    /// # Safety
    /// `address` and `length` are what the boot stage says of the ramdisk: whole pages in memory that lies in one
    /// piece, is not in the memory map's usable regions, and is written by nobody. Called once, after
    /// [`frames::initialize`].
    pub(crate) unsafe fn new(address: u64, length: u64) -> Option<Ramdisk> {
        let physical = paging::physical_of(address)?;
        if length == 0 || !address.is_multiple_of(PAGE_BYTES as u64) {
            return None;
        }
        paging::protect_kernel_pages(address, length);
        for frame in (physical..physical.checked_add(length)?).step_by(PAGE_BYTES) {
            // SAFETY: the caller's promise.
            unsafe { frames::seal(frame) };
        }
        // SAFETY: the caller's promise; the pages are read-only from now on.
        let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, length as usize) };
        Some(Ramdisk { bytes, physical })
    }

    /// The whole image; starts on a page boundary.
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The frame that holds bytes `index * 4096` onward; `None` past the end. What follows the image's last byte in
    /// its last frame is whatever the boot stage left there.
    pub fn frame(&self, index: usize) -> Option<SharedFrame> {
        let offset = index.checked_mul(PAGE_BYTES).filter(|offset| *offset < self.bytes.len())?;
        // SAFETY: a sealed frame has more owners than are ever counted, so one more or less makes no difference.
        Some(unsafe { SharedFrame::from_raw(self.physical + offset as u64) })
    }
}
