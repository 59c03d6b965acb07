//! Copies from and to ring 3's memory.
//!
//! An address from ring 3 is a claim. It is looked up page by page at the moment of the copy, pages that only wait for
//! their first touch come to be, and everything else is refused. Called by `calls` for messages that do not lie in the
//! message area, by `exit` and by park.
//!
//! Invariant: no reference into ring 3's memory ever exists; what is copied once is what counts.

use super::area::{Touch, TouchError};
use crate::kernel::Kernel;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use capos_abi::error::Transport;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::frames::SharedFrame;
use capos_kernel_hal::paging::{Access, BadAddress};

impl From<TouchError> for Transport {
    fn from(error: TouchError) -> Transport {
        match error {
            TouchError::NotThere => Transport::BadAddress,
            TouchError::OutOfMemory => Transport::OutOfMemory,
        }
    }
}

impl Kernel {
    /// Copies from the process's memory.
    ///
    /// # Errors
    /// [`Transport::BadAddress`], [`Transport::OutOfMemory`].
    pub(crate) fn copy_from_user(
        &mut self,
        id: Id<Process>,
        address: u64,
        bytes: &mut [u8],
    ) -> Result<(), Transport> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let start = address.checked_add(done as u64).ok_or(Transport::BadAddress)?;
            let space = self.processes.get(id).and_then(|process| process.space.as_ref());
            match space.ok_or(Transport::BadAddress)?.copy_in(start, rest) {
                Ok(()) => break,
                Err(BadAddress(at)) => {
                    self.touch(id, at / PAGE, Touch::Read)?;
                    done += at.saturating_sub(start) as usize;
                }
            }
        }
        Ok(())
    }

    /// Copies into the process's memory.
    ///
    /// # Errors
    /// [`Transport::BadAddress`], [`Transport::OutOfMemory`].
    pub(crate) fn copy_to_user(
        &mut self,
        id: Id<Process>,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Transport> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let start = address.checked_add(done as u64).ok_or(Transport::BadAddress)?;
            let space = self.processes.get(id).and_then(|process| process.space.as_ref());
            match space.ok_or(Transport::BadAddress)?.copy_out(start, rest) {
                Ok(()) => break,
                Err(BadAddress(at)) => {
                    self.touch(id, at / PAGE, Touch::Write)?;
                    done += at.saturating_sub(start) as usize;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that a copy of `length` bytes to `address` will succeed.
    ///
    /// # Errors
    /// [`Transport::BadAddress`], [`Transport::OutOfMemory`].
    pub(crate) fn ensure_writable(
        &mut self,
        id: Id<Process>,
        address: u64,
        length: usize,
    ) -> Result<(), Transport> {
        if length == 0 {
            return Ok(());
        }
        let last = address.checked_add(length as u64 - 1).ok_or(Transport::BadAddress)?;
        for page in address / PAGE..=last / PAGE {
            if self.mapped_page(id, page).is_none_or(|(_, access)| access != Access::ReadWrite) {
                self.touch(id, page, Touch::Write)?;
            }
            if self.mapped_page(id, page).is_none_or(|(_, access)| access != Access::ReadWrite) {
                return Err(Transport::BadAddress);
            }
        }
        Ok(())
    }

    fn mapped_page(&self, id: Id<Process>, page: u64) -> Option<(SharedFrame, Access)> {
        let address = page.checked_mul(PAGE)?;
        self.processes.get(id)?.space.as_ref()?.lookup(address)
    }
}
