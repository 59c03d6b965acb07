//! The boot image in memory: bytes to read, and its frames to map.
//!
//! Invariant: nothing ever writes it; its frames are sealed (`map` refuses `ReadWrite`) and are never freed.

use crate::frames::SharedFrame;

/// The boot image. Copies name the same memory.
#[derive(Clone, Copy)]
pub struct Ramdisk {}

impl Ramdisk {
    /// The whole image; starts on a page boundary.
    pub fn bytes(&self) -> &'static [u8] {
        crate::absent()
    }
    /// The frame that holds bytes `index * 4096` onward; `None` past the end.
    pub fn frame(&self, index: usize) -> Option<SharedFrame> {
        crate::absent()
    }
}
