//! Physical memory: frames that are owned, and frames that are shared and counted.
//!
//! Called by the kernel for every page of a process, and by this crate for page tables and device queues. A frame is
//! filled with zeros when it is allocated, and is free again when its last owner is dropped.
//!
//! Invariant: a frame that ring 3 may write is never at the same time executable in any address space
//! ([`SharedFrame`] counts mappings of both kinds); a sealed frame (the boot image's) is never written again.

mod pinned;
mod pool;
mod row;

pub use pinned::Pinned;
pub(crate) use pool::{allocate_contiguous, initialize, seal};
pub use pool::{fail_allocation, free_count, is_refused, refusal_ahead, total_count};
pub(crate) use row::Row;

use crate::PAGE_BYTES;
use crate::paging::{Access, DIRECT_MAP};
use core::arch::asm;
use core::num::NonZeroU32;

/// There is no free frame left, or the test hook refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Why an access to a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes are not all inside the frame.
    OutOfBounds,
    /// The frame is mapped executable somewhere, or sealed.
    ReadOnly,
}

/// A frame with one owner and no mapping.
#[derive(Debug)]
pub struct Frame(NonZeroU32);

/// A frame with counted owners; page-table entries that map it count as owners too.
#[derive(Debug)]
pub struct SharedFrame(NonZeroU32);

/// Copies bytes that ring 3 may change or read meanwhile. Written in assembly language: the compiler must not assume
/// anything about such memory.
///
/// # Safety
/// Both ranges are mapped, and the target is the caller's to write.
pub(crate) unsafe fn copy_bytes(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise; the direction flag is clear in Rust code.
    unsafe {
        asm!(
            "rep movsq",
            "mov ecx, {rest:e}",
            "rep movsb",
            rest = in(reg) length % 8,
            inout("rcx") length / 8 => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Zeros a page with 16-byte stores: half as many as `rep stosq` makes, and none of its start-up cost.
///
/// # Safety
/// A page, aligned, mapped, and the caller's to write. CR4.OSFXSR is set.
unsafe fn fill_with_zeros(page: *mut u8) {
    const STORES: usize = 32;
    let mut saved = [0u64; 2];
    // SAFETY: the caller's promise. XMM0 is ring 3's while ring 0 runs, so it is put back; interrupts are off.
    unsafe {
        asm!(
            "movups [{saved}], xmm0",
            "xorps xmm0, xmm0",
            "2:",
            ".set zeroed, 0",
            ".rept {stores}",
            "movaps [{at} + zeroed], xmm0",
            ".set zeroed, zeroed + 16",
            ".endr",
            "add {at}, 16 * {stores}",
            "cmp {at}, {end}",
            "jne 2b",
            "movups xmm0, [{saved}]",
            saved = in(reg) &raw mut saved,
            at = inout(reg) page => _,
            end = in(reg) page.wrapping_add(PAGE_BYTES),
            stores = const STORES,
            options(nostack),
        );
    }
}

fn direct<T>(frame: NonZeroU32) -> *mut T {
    (DIRECT_MAP + physical(frame)) as *mut T
}

fn physical(frame: NonZeroU32) -> u64 {
    u64::from(frame.get()) * PAGE_BYTES as u64
}

impl Frame {
    /// Allocates a frame, filled with zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new() -> Result<Frame, OutOfMemory> {
        let number = pool::allocate().ok_or(OutOfMemory)?;
        // SAFETY: a free frame has no other user.
        unsafe { fill_with_zeros(direct(number)) };
        Ok(Frame(number))
    }

    /// Its bytes: nobody else can reach them.
    pub fn bytes(&self) -> &[u8; PAGE_BYTES] {
        // SAFETY: exclusively owned, mapped nowhere but in the direct map, initialized when allocated.
        unsafe { &*direct(self.0) }
    }

    /// Its bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        // SAFETY: as for `bytes`, and borrowed exclusively.
        unsafe { &mut *direct(self.0) }
    }

    /// Gives up exclusive ownership.
    pub fn share(self) -> SharedFrame {
        let number = self.0;
        core::mem::forget(self);
        SharedFrame(number)
    }

    /// Its physical address.
    pub(crate) fn physical(&self) -> u64 {
        physical(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        pool::release(self.0);
    }
}

impl Clone for SharedFrame {
    fn clone(&self) -> Self {
        pool::counts(self.0).add_owner();
        SharedFrame(self.0)
    }
}

impl Drop for SharedFrame {
    fn drop(&mut self) {
        if pool::counts(self.0).remove_owner() {
            pool::release(self.0);
        }
    }
}

impl SharedFrame {
    /// Takes the frame back as exclusively owned, if this is the only owner (then it is not mapped either).
    ///
    /// # Errors
    /// Gives itself back if there are other owners.
    pub fn into_frame(self) -> Result<Frame, SharedFrame> {
        if self.owners() != 1 || pool::counts(self.0).is_sealed() {
            return Err(self);
        }
        let number = self.0;
        core::mem::forget(self);
        Ok(Frame(number))
    }

    /// A number that no other frame has as long as this one has an owner: the key of a parked word, with the offset.
    pub fn identity(&self) -> u64 {
        u64::from(self.0.get())
    }

    /// Owners, mappings included.
    pub fn owners(&self) -> u32 {
        pool::counts(self.0).owners()
    }

    /// Mappings in all address spaces through which ring 3 can write.
    pub fn writable_mappings(&self) -> u32 {
        pool::counts(self.0).writable_mappings()
    }

    /// Mappings in all address spaces through which ring 3 can execute.
    pub fn executable_mappings(&self) -> u32 {
        pool::counts(self.0).executable_mappings()
    }

    /// Counts a mapping; false if it would make the frame writable and executable.
    pub(crate) fn begin_mapping(&self, access: Access) -> bool {
        pool::counts(self.0).begin_mapping(access)
    }

    /// Takes back what [`SharedFrame::begin_mapping`] counted.
    pub(crate) fn end_mapping(&self, access: Access) {
        pool::counts(self.0).end_mapping(access);
    }

    /// Its physical address.
    pub(crate) fn physical(&self) -> u64 {
        physical(self.0)
    }

    /// Its physical address, which stands for one owner from now on.
    pub(crate) fn into_raw(self) -> u64 {
        let physical = self.physical();
        core::mem::forget(self);
        physical
    }

    /// # Safety
    /// `physical` came from [`SharedFrame::into_raw`] and stands for one owner that is not in use elsewhere.
    pub(crate) unsafe fn from_raw(physical: u64) -> SharedFrame {
        // SAFETY: a frame's number is never 0.
        SharedFrame(unsafe { NonZeroU32::new_unchecked((physical / PAGE_BYTES as u64) as u32) })
    }

    fn at(&self, offset: usize, length: usize) -> Result<*mut u8, FrameError> {
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= PAGE_BYTES);
        if is_inside { Ok(direct::<u8>(self.0).wrapping_add(offset)) } else { Err(FrameError::OutOfBounds) }
    }

    /// Where byte `offset` is and how many there are from there on; none to write while it is executable or sealed.
    #[inline]
    pub(crate) fn rest(&self, offset: usize, is_write: bool) -> Option<(*mut u8, usize)> {
        if offset >= PAGE_BYTES || is_write && pool::counts(self.0).is_read_only() {
            return None;
        }
        Some((direct::<u8>(self.0).wrapping_add(offset), PAGE_BYTES - offset))
    }

    /// Copies bytes out, from `offset` on.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`].
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), FrameError> {
        let from = self.at(offset, bytes.len())?;
        // SAFETY: so many bytes are in the frame; a buffer of the kernel is never part of a shared frame.
        unsafe { copy_bytes(bytes.as_mut_ptr(), from, bytes.len()) };
        Ok(())
    }

    /// Copies bytes in, from `offset` on.
    ///
    /// # Errors
    /// [`FrameError::OutOfBounds`], [`FrameError::ReadOnly`].
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), FrameError> {
        if pool::counts(self.0).is_read_only() {
            return Err(FrameError::ReadOnly);
        }
        let to = self.at(offset, bytes.len())?;
        // SAFETY: as for `read`; no reference to a shared frame's bytes exists unless it is sealed.
        unsafe { copy_bytes(to, bytes.as_ptr(), bytes.len()) };
        Ok(())
    }
}
