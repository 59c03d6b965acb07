//! The boot image in memory: bytes to read, and its frames to map.
//!
//! Made by the start-up code; used by the kernel for init and for BootPackage.
//!
//! Invariant: nothing ever writes it; its frames are sealed (`map` refuses `ReadWrite`) and are never freed.

use crate::PAGE_BYTES;
use crate::frames::{self, SharedFrame};
use crate::paging;

/// Runs of frames at most: what was prepared, and what was put beside it for the run.
const RUNS_MAX: usize = 2;

/// The boot image. Copies name the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Ramdisk {
    bytes: &'static [u8],
    /// The runs of frames that hold it: the index of the first page, and the first frame's address.
    runs: [(usize, u64); RUNS_MAX],
}

impl Ramdisk {
    /// Seals the image's frames and its mapping. `None` if it is empty or not mapped as the boot stages do.
    ///
    /// # Safety
    /// `address` and `length` are what the boot stage says of the ramdisk: whole pages in memory that is not in the memory
    /// map's usable regions, and is written by nobody. Called once, after [`frames::initialize`].
    pub(crate) unsafe fn new(address: u64, length: u64) -> Option<Ramdisk> {
        if length == 0 || !address.is_multiple_of(PAGE_BYTES as u64) {
            return None;
        }
        let mut runs = [(usize::MAX, 0); RUNS_MAX];
        let (mut used, mut page, mut next) = (0, 0, None);
        let is_mapped = paging::protect_kernel_pages(address, length, |physical| {
            if next != Some(physical) {
                if let Some(run) = runs.get_mut(used) {
                    *run = (page, physical);
                }
                used += 1;
            }
            next = Some(physical + PAGE_BYTES as u64);
            page += 1;
            // SAFETY: the caller's promise.
            unsafe { frames::seal(physical) };
        });
        if !is_mapped || used > RUNS_MAX {
            return None;
        }
        // SAFETY: the caller's promise; the pages are read-only from now on.
        let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, length as usize) };
        Some(Ramdisk { bytes, runs })
    }

    /// The whole image; starts on a page boundary.
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The frame that holds bytes `index * 4096` onward; `None` past the end. What follows the image's last byte in
    /// its last frame is whatever the boot stage left there.
    pub fn frame(&self, index: usize) -> Option<SharedFrame> {
        index.checked_mul(PAGE_BYTES).filter(|offset| *offset < self.bytes.len())?;
        let (first, physical) = self.runs.iter().rev().find(|(first, _)| *first <= index)?;
        let physical = physical + ((index - first) * PAGE_BYTES) as u64;
        // SAFETY: a sealed frame has more owners than are ever counted, so one more or less makes no difference.
        Some(unsafe { SharedFrame::from_raw(physical) })
    }
}
