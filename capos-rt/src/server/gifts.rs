//! Capabilities that go with an answer.
//!
//! Filled by handlers, read by `turns` and `kept`.
//!
//! Invariant: at most [`CAPABILITIES_MAX`] rows; a capability that is given away is owned by its row until the answer has
//! arrived, and released if it did not.

use core::marker::PhantomData;

use capos_abi::handle::Handle;
use capos_abi::message::CAPABILITIES_MAX;
use capos_abi::ring::Mint;
use capos_schema::interface::Interface;

use crate::capability::{Cap, Capability, Untyped};
use crate::sys::operation::Sent;
use crate::sys::thread;

/// The place of a capability of interface `T` among those that go with an answer.
#[derive(Debug)]
pub struct Given<T: Interface> {
    index: Option<u32>,
    interface: PhantomData<fn() -> T>,
}

impl<T: Interface> Given<T> {
    /// What the message says of it; `None` if there was no room.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.index
    }
}

/// The capabilities of one answer.
pub struct Gifts {
    rows: [Sent; CAPABILITIES_MAX],
    count: usize,
    /// The call that they were for is kept.
    pub(super) is_kept: bool,
}

impl Gifts {
    /// None yet.
    #[must_use]
    pub const fn new() -> Gifts {
        Gifts { rows: [Sent::Copy(Handle::NULL); CAPABILITIES_MAX], count: 0, is_kept: false }
    }

    /// The receiver gets a copy of this capability.
    pub fn copy<T: Interface>(&mut self, capability: &Cap<T>) -> Given<T> {
        self.add(Sent::Copy(capability.raw()))
    }

    /// The receiver gets a copy of this capability, whatever its interface.
    pub fn copy_any(&mut self, capability: &dyn Capability) -> Given<Untyped> {
        self.add(Sent::Copy(capability.handle()))
    }

    /// This capability leaves the process. It stays if the answer does not arrive, and is released then.
    pub fn give<T: Interface>(&mut self, capability: Cap<T>) -> Given<T> {
        let given = self.add(Sent::Move(capability.raw()));
        if given.index.is_some() {
            core::mem::forget(capability);
        }
        given
    }

    /// The receiver gets a new object of the endpoint.
    pub fn mint<T: Interface>(&mut self, cookie: u64, methods: u64) -> Given<T> {
        self.add(Sent::Mint(Mint { interface: T::DESCRIPTION.id, cookie, methods }))
    }

    #[inline]
    pub(super) fn rows(&self) -> &[Sent] {
        self.rows.get(..self.count).unwrap_or_default()
    }

    /// The answer has arrived: what was given away is gone.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.count = 0;
    }

    /// The answer has not arrived: what was to be given away is released.
    pub(super) fn release(&mut self) {
        for row in self.rows() {
            if let Sent::Move(handle) = row {
                thread::current().release(*handle);
            }
        }
        self.count = 0;
    }

    fn add<T: Interface>(&mut self, row: Sent) -> Given<T> {
        let place = self.rows.get_mut(self.count);
        let index = place.map(|place| {
            *place = row;
            self.count as u32
        });
        self.count += usize::from(index.is_some());
        Given { index, interface: PhantomData }
    }
}

impl Default for Gifts {
    fn default() -> Gifts {
        Gifts::new()
    }
}

impl Drop for Gifts {
    fn drop(&mut self) {
        self.release();
    }
}
