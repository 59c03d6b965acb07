//! Typed capabilities, and the CapSet with which a process starts.
//!
//! Used by every program; the generated clients add the methods. Calls `sys::operation` and `sys::thread`.
//!
//! Invariant: a `Cap<T>` holds a handle whose interface is `T`'s. Owned ones are released when dropped; those of the CapSet
//! stay as long as the process, so they can be asked for again.

use core::marker::PhantomData;

use capos_abi::capset::{self, Entry};
use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_schema::interface::{Description, Interface};

use crate::call::{Call, Pending};
use crate::sys::operation::{Operation, Sizes};
use crate::sys::start::{self, Page};
use crate::sys::thread::{self, WaitLimit};

/// A capability of interface `T`.
///
/// Dropping an owned one releases it: the release is handed over with the next call, and before the process waits.
#[derive(Debug)]
pub struct Cap<T: Interface> {
    handle: Handle,
    is_owned: bool,
    interface: PhantomData<fn() -> T>,
}

/// The interface of a capability that came where the schema leaves it open.
#[derive(Debug)]
pub enum Untyped {}

impl Interface for Untyped {
    const DESCRIPTION: &'static Description =
        &Description { name: "Capability", id: 0, all_methods: 0, methods: &[] };
}

/// A capability of any interface, to be passed on.
pub trait Capability {
    /// Its handle.
    fn handle(&self) -> Handle;
}

impl<T: Interface> Capability for Cap<T> {
    fn handle(&self) -> Handle {
        self.handle
    }
}

impl<T: Interface> Cap<T> {
    /// Takes over a handle that a reply or the CapSet brought.
    pub(crate) fn adopt(handle: Handle, is_owned: bool) -> Cap<T> {
        Cap { handle, is_owned, interface: PhantomData }
    }

    pub(crate) fn raw(&self) -> Handle {
        self.handle
    }

    /// A child capability that permits the methods in `mask` alone.
    ///
    /// # Errors
    /// [`Transport::MaskNotWithin`] if this one does not permit them all; [`Transport::NoSlot`].
    pub fn derive(&self, mask: u64) -> Result<Cap<T>, CallError> {
        let mut operation = Operation::prepare(Sizes::default())?;
        operation.submit_derive(self.handle, mask)?;
        let finished = operation.finish(WaitLimit::NEVER)?;
        Ok(Cap::adopt(finished.derived(), true))
    }

    /// Takes back everything that came from this capability, in every process: what was derived from it, copied from it,
    /// and made in calls through it. This one goes on working. When it returns, none of them works any more; calls in
    /// progress through them have ended as [`Transport::Revoked`], and mappings made with them read as zeros.
    ///
    /// # Errors
    /// [`Transport::Revoked`] if this one was revoked itself; [`Transport::LimitReached`].
    pub fn revoke(&self) -> Result<(), CallError> {
        self.begin_revoke()?.wait()
    }

    /// Begins to [`Cap::revoke`]. Dropping it waits for the end: what has begun to be taken back is taken back.
    ///
    /// # Errors
    /// As for [`Cap::revoke`].
    pub fn begin_revoke(&self) -> Result<Pending<()>, CallError> {
        let mut operation = Operation::prepare(Sizes::default())?;
        operation.submit_revoke(self.handle)?;
        Ok(Pending::new(Call::of(operation), |_| Ok(())))
    }
}

impl Cap<Untyped> {
    /// Takes it for one of interface `T`, which follows from how it was asked for. If it is not, each call is refused with
    /// "wrong interface".
    #[must_use]
    pub fn typed<T: Interface>(self) -> Cap<T> {
        let typed = Cap::adopt(self.handle, self.is_owned);
        core::mem::forget(self);
        typed
    }
}

impl<T: Interface> Drop for Cap<T> {
    fn drop(&mut self) {
        if self.is_owned {
            thread::current().release(self.handle);
        }
    }
}

/// What a process holds from its first instruction on.
#[derive(Debug)]
pub struct CapSet {
    page: Option<&'static Page>,
}

/// Why the CapSet does not have what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapSetError {
    /// No entry has this name, or there is no CapSet.
    Missing,
    /// The entry has another interface.
    WrongInterface,
}

impl core::fmt::Display for CapSetError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            CapSetError::Missing => "not granted",
            CapSetError::WrongInterface => "granted with another interface",
        })
    }
}

impl core::error::Error for CapSetError {}

impl CapSet {
    /// The CapSet of this process.
    #[must_use]
    pub fn of_this_process() -> CapSet {
        CapSet { page: start::page() }
    }

    /// The capability with this name.
    ///
    /// # Errors
    /// [`CapSetError`].
    pub fn get<T: Interface>(&self, name: &str) -> Result<Cap<T>, CapSetError> {
        let entry = self.entry(name).ok_or(CapSetError::Missing)?;
        if entry.interface == T::DESCRIPTION.id {
            Ok(Cap::adopt(entry.handle, false))
        } else {
            Err(CapSetError::WrongInterface)
        }
    }

    /// The entry with this name: interface and permitted methods.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry<'static>> {
        capset::find(self.page?, name).ok().flatten()
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'static>> + use<> {
        let page = self.page;
        let count = page.and_then(|page| capset::count(page).ok()).unwrap_or(0);
        (0..count).filter_map(move |index| capset::entry(page?, index).ok())
    }
}

/// What a reply that breaks its schema is reported as.
pub(crate) const IMPOSSIBLE_REPLY: CallError = CallError::Transport(Transport::BadMessage);
