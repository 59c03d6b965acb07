//! A sealed memory object as bytes.
//!
//! Called by programs that read large immutable input: a wasm module, launch parameters, the manifest. Calls the generated
//! clients of MemoryObject and VirtualMemory.
//!
//! Invariant: only sealed objects are mapped, so the bytes under a shared reference never change; the mapping lives as long
//! as the value.

use core::ops::Deref;
use core::ptr;

use capos_abi::error::{CallError, Exception, Transport};
use capos_schema::memory_object::MemoryObject;
use capos_schema::virtual_memory::VirtualMemory;

use crate::capability::Cap;

const PAGE: u64 = 4096;

/// The contents of a sealed memory object, mapped read-only. Dereferences to its bytes.
pub struct Mapping<'m> {
    memory: &'m Cap<VirtualMemory>,
    address: u64,
    mapped: u64,
    length: usize,
}

impl<'m> Mapping<'m> {
    /// Maps all of `object` into the address space of this process, which `memory` must be.
    ///
    /// # Errors
    /// What the calls say; [`Exception::Failed`] for an object that is not sealed.
    pub fn new(memory: &'m Cap<VirtualMemory>, object: &Cap<MemoryObject>) -> Result<Mapping<'m>, CallError> {
        let info = object.info()?;
        if !info.is_sealed {
            return Err(Exception::Failed.into());
        }
        let length = usize::try_from(info.bytes).map_err(|_| Transport::TooLarge)?;
        let mapped = info.bytes.checked_next_multiple_of(PAGE).ok_or(Transport::TooLarge)?;
        let address = if mapped == 0 { 0 } else { memory.map(object, 0, mapped, false)? };
        Ok(Mapping { memory, address, mapped, length })
    }

    /// The bytes, for as long as the process lives: the mapping is never taken back.
    #[must_use]
    pub fn leak(self) -> &'static [u8] {
        let this = core::mem::ManuallyDrop::new(self);
        this.bytes()
    }

    fn bytes<'a>(&self) -> &'a [u8] {
        if self.mapped == 0 {
            return &[];
        }
        let start = ptr::with_exposed_provenance(self.address as usize);
        // SAFETY: the kernel mapped these pages readable; the object is sealed, so nothing writes them. Whoever calls this
        // keeps the mapping for as long as the result lives.
        unsafe { core::slice::from_raw_parts(start, self.length) }
    }
}

impl Deref for Mapping<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        if self.mapped != 0 {
            // A mapping that cannot be taken back stays until the process ends; nothing refers to it any more.
            let _ = self.memory.unmap(self.address, self.mapped);
        }
    }
}
