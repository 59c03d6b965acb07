//! Capabilities that travel with a call.
//!
//! A send list names what the parameters refer to by index; a receive list takes the handles of what the reply refers to.
//! Both lie in the message area. Called by `submission` around a call, and by the objects that take or make capabilities.
//!
//! Invariant: room in table, tree and receive list is made sure of before a call has its effect; a capability that is moved
//! leaves its sender only if the call succeeded.

use super::{Call, Origin};
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::Process;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::CAPABILITIES_MAX;
use capos_abi::ring::{RECEIVED_HANDLE_BYTES, TRANSFER_BYTES, TRANSFER_COPY, TRANSFER_MINT, TRANSFER_MOVE};
use capos_kernel_core::authority::{self, Authority};
use capos_kernel_core::capability::{Capability, SlotStore};
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::frames;
use capos_schema::interface::Interface;

/// A row of the send list.
#[derive(Clone, Copy)]
pub(crate) struct Descriptor {
    pub(crate) handle: Handle,
    pub(crate) mode: u32,
}

/// What a send list moves, by the place of each row; null for a copy. Kept from the check to the end of the call: the reply
/// may overwrite the list.
pub(crate) type Moved = [Handle; CAPABILITIES_MAX];

/// A capability that the reply gives to the caller.
#[derive(Clone, Copy)]
pub(crate) struct Gift {
    pub(crate) object: Object,
    pub(crate) interface: u64,
    pub(crate) methods: u64,
}

impl Gift {
    /// An object of the kernel, by its interface.
    pub(crate) fn of<T: Interface>(object: Object, methods: u64) -> Gift {
        Gift { object, interface: T::DESCRIPTION.id, methods }
    }
}

impl Kernel {
    pub(crate) fn descriptor(&self, origin: &Origin, index: u32) -> Result<Descriptor, Transport> {
        if index >= u32::from(origin.submission.send_count) {
            return Err(Transport::BadTransfer);
        }
        let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
        let mut bytes = [0; TRANSFER_BYTES];
        let at = u64::from(origin.submission.send_list) + u64::from(index) * TRANSFER_BYTES as u64;
        if !thread.ring.read_area(at, &mut bytes) {
            return Err(Transport::BadAddress);
        }
        let word = u64::from_le_bytes(bytes);
        Ok(Descriptor { handle: Handle(word as u32), mode: (word >> 32) as u32 })
    }

    pub(crate) fn sent_capability(
        &self,
        origin: &Origin,
        handle: Handle,
    ) -> Result<Capability<Object>, Transport> {
        let process = self.processes.get(origin.process).ok_or(Transport::Disconnected)?;
        authority::working(&process.table, &self.slots, &self.nodes, handle)
    }

    /// Checks every row of the send list; returns what is to be moved.
    ///
    /// # Errors
    /// "bad transfer list", "bad handle", "revoked".
    pub(crate) fn check_send_list(&self, origin: &Origin) -> Result<Moved, Transport> {
        self.check_list(origin, false)
    }

    /// The same, for a list that may name objects to be minted.
    ///
    /// # Errors
    /// "bad transfer list", "bad handle", "revoked".
    pub(crate) fn check_list(&self, origin: &Origin, may_mint: bool) -> Result<Moved, Transport> {
        let mut moved = [Handle::NULL; CAPABILITIES_MAX];
        for index in 0..u32::from(origin.submission.send_count) {
            let Descriptor { handle, mode } = self.descriptor(origin, index)?;
            if mode == TRANSFER_MINT && may_mint {
                continue;
            }
            if mode != TRANSFER_COPY && mode != TRANSFER_MOVE {
                return Err(Transport::BadTransfer);
            }
            self.sent_capability(origin, handle)?;
            if mode == TRANSFER_MOVE {
                if moved.contains(&handle) {
                    return Err(Transport::BadTransfer);
                }
                if let Some(place) = moved.get_mut(index as usize) {
                    *place = handle;
                }
            }
        }
        Ok(moved)
    }

    /// The capability at `index` of the send list, which a parameter refers to.
    ///
    /// # Errors
    /// "bad transfer list", "bad handle", "revoked"; exception "invalid argument" for a parameter that refers to nothing.
    pub(crate) fn sent(&self, call: &Call<'_>, index: Option<u32>) -> Result<Capability<Object>, CallError> {
        let index = index.ok_or(Exception::InvalidArgument)?;
        let Descriptor { handle, .. } = self.descriptor(call.origin, index)?;
        Ok(self.sent_capability(call.origin, handle)?)
    }

    /// Takes what was moved out of the sender's table, behind a call that succeeded.
    pub(crate) fn finish_moves(&mut self, id: Id<Process>, moved: &Moved) {
        for handle in moved.iter().filter(|handle| !handle.is_null()) {
            let Some(process) = self.processes.get_mut(id) else { return };
            if let Ok(capability) = process.table.remove(&mut self.slots, *handle) {
                self.drop_capability(id, &capability);
            }
        }
    }

    /// Makes sure that `count` capabilities can be inserted into the process's table, and charges for them.
    ///
    /// # Errors
    /// "no slot", "limit reached", "out of memory".
    pub(crate) fn prepare_slots(&mut self, id: Id<Process>, count: u32) -> Result<(), Transport> {
        if self.nodes.available() < count || frames::is_refused() {
            return Err(Transport::OutOfMemory);
        }
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        while process.table.available() < count {
            let bytes = SlotStore::<Object>::chunk_bytes();
            process.account.charge(bytes).map_err(|_| Transport::LimitReached)?;
            if let Err(error) = process.table.grow(&mut self.slots) {
                process.account.refund(bytes);
                return Err(error);
            }
        }
        self.take_entries(id, Kind::Capability, count)
    }

    /// Takes back what [`Kernel::prepare_slots`] charged for capabilities that are not inserted after all.
    pub(crate) fn cancel_slots(&mut self, id: Id<Process>, count: u32) {
        self.return_entries(id, Kind::Capability, count);
    }

    /// Inserts a capability as a child of `parent`, behind [`Kernel::prepare_slots`] and a look at whether the parent may
    /// have another one.
    ///
    /// # Errors
    /// Those of a table or tree that was not prepared.
    pub(crate) fn insert_child(
        &mut self,
        id: Id<Process>,
        parent: NodeId,
        capability: Capability<Object>,
    ) -> Result<Handle, Transport> {
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let handle = authority.insert_child(&mut process.table, id.index(), parent, capability)?;
        self.retain_reference(id, capability.object);
        Ok(handle)
    }

    /// Makes sure that the reply of a call, of `bytes` with `gifts` capabilities, will find its place.
    ///
    /// # Errors
    /// "too large", "no slot", "bad address", "revocation in progress", and those of [`Kernel::prepare_slots`].
    pub(crate) fn prepare_reply(
        &mut self,
        call: &Call<'_>,
        bytes: usize,
        gifts: u8,
    ) -> Result<(), Transport> {
        self.prepare_result(call.origin, bytes)?;
        if call.origin.submission.receive_slots < gifts {
            return Err(Transport::NoSlot);
        }
        if gifts == 0 {
            return Ok(());
        }
        self.nodes.can_derive(call.capability.node)?;
        self.prepare_slots(call.origin.process, gifts.into())
    }

    /// Gives the caller a capability that hangs under the one through which the call came, as number `index` of the
    /// reply's list.
    ///
    /// # Errors
    /// Those of a reply that was not prepared.
    pub(crate) fn give(&mut self, call: &Call<'_>, index: u8, gift: Gift) -> Result<(), Transport> {
        let Gift { object, interface, methods } = gift;
        let node = call.capability.node;
        let capability = Capability { object, interface, methods, node };
        let handle = self.insert_child(call.origin.process, node, capability)?;
        let at =
            u64::from(call.origin.submission.receive_list) + u64::from(index) * RECEIVED_HANDLE_BYTES as u64;
        let thread = self.threads.get(call.origin.thread).ok_or(Transport::Disconnected)?;
        if thread.ring.write_area(at, &handle.0.to_le_bytes()) { Ok(()) } else { Err(Transport::BadAddress) }
    }
}
