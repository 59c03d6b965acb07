//! The registers of a device, mapped.
//!
//! Called by drivers, and by `virtio`. Calls the generated clients of DeviceMemory and VirtualMemory.
//!
//! Invariant: each access is one volatile load or store of its size, aligned and inside the mapping. After the capability was
//! revoked the same addresses are memory of zeros, so an access is always allowed.

use core::ptr;

use capos_abi::error::{CallError, Transport};
use capos_schema::device_memory::DeviceMemory;
use capos_schema::virtual_memory::VirtualMemory;

use crate::capability::Cap;

/// The mapped registers of one device; unmapped when dropped.
pub struct Registers<'m> {
    memory: &'m Cap<VirtualMemory>,
    address: u64,
    bytes: u64,
}

impl<'m> Registers<'m> {
    /// Maps the registers into the address space of this process, which `memory` must be.
    ///
    /// # Errors
    /// What the calls say.
    pub fn map(
        memory: &'m Cap<VirtualMemory>,
        registers: &Cap<DeviceMemory>,
    ) -> Result<Registers<'m>, CallError> {
        let bytes = registers.info()?.bytes;
        let address = registers.map(memory)?;
        let end = address.checked_add(bytes).ok_or(Transport::BadMessage)?;
        if address == 0 || end > 1 << 47 {
            return Err(Transport::BadMessage.into());
        }
        Ok(Registers { memory, address, bytes })
    }

    /// Bytes that are mapped.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where a register of type `T` lies, if all of it is inside and aligned.
    fn place<T>(&self, offset: u64) -> Option<*mut T> {
        let size = size_of::<T>() as u64;
        let is_inside = offset.checked_add(size).is_some_and(|end| end <= self.bytes);
        let is_aligned = offset.is_multiple_of(size);
        (is_inside && is_aligned).then(|| ptr::with_exposed_provenance_mut((self.address + offset) as usize))
    }

    /// The address of `length` bytes at `offset`, if they are inside.
    #[cfg(feature = "virtio")]
    pub(super) fn range(&self, offset: u64, length: u64) -> Option<*mut u8> {
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= self.bytes);
        is_inside.then(|| ptr::with_exposed_provenance_mut((self.address + offset) as usize))
    }

    fn read<T: Copy>(&self, offset: u64) -> Option<T> {
        let place = self.place::<T>(offset)?;
        // SAFETY: mapped readable as long as `self` lives (kernel's promise), aligned and inside (`place`); called for plain
        // numbers only, of which every value is valid.
        Some(unsafe { place.read_volatile() })
    }

    fn write<T: Copy>(&self, offset: u64, value: T) -> Option<()> {
        let place = self.place::<T>(offset)?;
        // SAFETY: mapped writable as long as `self` lives, aligned and inside; no reference into the mapping exists.
        unsafe { place.write_volatile(value) };
        Some(())
    }
}

macro_rules! accessors {
    ($($read:ident, $write:ident, $type:ty;)+) => {
        impl Registers<'_> {
            $(
                #[doc = concat!("Reads a `", stringify!($type), "`; `None` outside, or at an offset that is no multiple of its size.")]
                #[must_use]
                pub fn $read(&self, offset: u64) -> Option<$type> {
                    self.read(offset)
                }

                #[doc = concat!("Writes a `", stringify!($type), "`; `None`, and nothing written, as for reading.")]
                pub fn $write(&self, offset: u64, value: $type) -> Option<()> {
                    self.write(offset, value)
                }
            )+
        }
    };
}

accessors! {
    read_u8, write_u8, u8;
    read_u16, write_u16, u16;
    read_u32, write_u32, u32;
}

impl Drop for Registers<'_> {
    fn drop(&mut self) {
        // A mapping that cannot be taken back stays until the process ends; nothing refers to it any more.
        let _ = self.memory.unmap(self.address, self.bytes);
    }
}
