//! What travels between two processes: a message and up to 16 capabilities, all or nothing.
//!
//! Called by `endpoints` for calls and for replies.
//!
//! Invariant: everything on both sides is made sure of before the first effect. A message is copied once, from where its
//! sender has it to where its receiver wants it; what either side changes meanwhile matters to that side alone.

use super::Origin;
use super::bulk::End;
use super::transfer::Descriptor;
use crate::endpoints::Endpoint;
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::Process;
use capos_abi::error::Transport;
use capos_abi::handle::Handle;
use capos_abi::message::CAPABILITIES_MAX;
use capos_abi::ring::{KERNEL_INTERFACE, MINT_BYTES, Mint, RECEIVED_HANDLE_BYTES, TRANSFER_MINT};
use capos_kernel_core::authority::Authority;
use capos_kernel_core::capability::Capability;
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::copy::Side;

/// Who sends what to whom.
pub(crate) struct Passage<'a> {
    /// Its parameters and its send list travel.
    pub(crate) from: &'a Origin,
    /// They go into its result buffer and its receive list.
    pub(crate) to: &'a Origin,
    /// Bytes of the result buffer in front of the message.
    pub(crate) offset: usize,
    /// Where objects hang that are minted on the way, and of which endpoint they are; none for a call.
    pub(crate) under: Option<(NodeId, Id<Endpoint>)>,
}

/// Whose fault it is that nothing travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What the sender names is not there.
    Sender(Transport),
    /// Where the receiver wants it there is nothing.
    Receiver(Transport),
    /// It does not fit what the receiver stated.
    Room(Transport),
    /// The receiver's table or limit has no room for the capabilities.
    Table(Transport),
}

/// A row of the send list, looked up.
#[derive(Clone, Copy)]
enum Sent {
    Copy(Capability<Object>),
    Move(Handle, Capability<Object>),
    Mint(Mint),
}

/// The send list, looked up.
struct Parcel {
    rows: [Option<Sent>; CAPABILITIES_MAX],
    minted: u32,
}

impl Kernel {
    /// Lets a message and its capabilities travel; returns the number of the latter.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has travelled then.
    pub(crate) fn pass(&mut self, passage: &Passage<'_>) -> Result<u8, Refusal> {
        let (sent, stated) = (&passage.from.submission, &passage.to.submission);
        let bytes = passage.offset + sent.length as usize;
        if bytes > stated.result_capacity as usize {
            return Err(Refusal::Room(Transport::TooLarge));
        }
        if sent.send_count > stated.receive_slots {
            return Err(Refusal::Room(Transport::NoSlot));
        }
        // The place of what the kernel writes; that of the message is found while it is copied.
        self.prepare_result(passage.to, passage.offset).map_err(Refusal::Receiver)?;
        if sent.send_count == 0 {
            self.copy_message(passage)?;
            return Ok(0);
        }
        self.pass_with_capabilities(passage)
    }

    #[inline(never)] // Its tables are not on the way of a plain message.
    fn pass_with_capabilities(&mut self, passage: &Passage<'_>) -> Result<u8, Refusal> {
        let (receiver, count) = (passage.to.process, passage.from.submission.send_count);
        let parcel = self.look_up(passage)?;
        self.prepare_minted(receiver, parcel.minted).map_err(Refusal::Table)?;
        if let Err(error) = self.prepare_slots(receiver, count.into()) {
            self.cancel_minted(receiver, parcel.minted);
            return Err(Refusal::Table(error));
        }
        if let Err(refusal) = self.copy_message(passage) {
            self.cancel_minted(receiver, parcel.minted);
            self.cancel_slots(receiver, count.into());
            return Err(refusal);
        }
        for (index, sent) in parcel.rows.iter().flatten().enumerate() {
            let handle = self.hand_over(passage, sent).unwrap_or(Handle::NULL);
            let at = u64::from(passage.to.submission.receive_list) + (index * RECEIVED_HANDLE_BYTES) as u64;
            if let Some(thread) = self.threads.get(passage.to.thread) {
                let written = thread.ring.write_area(at, &handle.0.to_le_bytes());
                debug_assert!(written);
            }
        }
        Ok(count)
    }

    fn copy_message(&mut self, passage: &Passage<'_>) -> Result<(), Refusal> {
        let length = passage.from.submission.length as usize;
        let (to, from) = (End::Result(passage.to, passage.offset), End::Parameters(passage.from, 0));
        self.copy(to, from, length).map_err(|refused| match refused.side {
            Side::Source => Refusal::Sender(refused.error),
            Side::Target => Refusal::Receiver(refused.error),
        })
    }

    /// Looks every row of the send list up, as it is now.
    fn look_up(&self, passage: &Passage<'_>) -> Result<Parcel, Refusal> {
        let moved = self.check_list(passage.from, passage.under.is_some()).map_err(Refusal::Sender)?;
        let mut parcel = Parcel { rows: [None; CAPABILITIES_MAX], minted: 0 };
        for (index, (row, moved)) in parcel.rows.iter_mut().zip(moved).enumerate() {
            if index >= usize::from(passage.from.submission.send_count) {
                break;
            }
            let Descriptor { handle, mode } =
                self.descriptor(passage.from, index as u32).map_err(Refusal::Sender)?;
            *row = Some(if mode == TRANSFER_MINT {
                parcel.minted += 1;
                Sent::Mint(self.mint_record(passage, handle)?)
            } else {
                self.look_up_sent(passage.from, handle, !moved.is_null()).map_err(Refusal::Sender)?
            });
        }
        Ok(parcel)
    }

    /// What is to be copied or moved, if its place in the tree allows that.
    fn look_up_sent(&self, from: &Origin, handle: Handle, is_moved: bool) -> Result<Sent, Transport> {
        let capability = self.sent_capability(from, handle)?;
        if is_moved {
            self.nodes.can_hand_over(capability.node)?;
            return Ok(Sent::Move(handle, capability));
        }
        self.nodes.can_derive(capability.node)?;
        Ok(Sent::Copy(capability))
    }

    /// What is to be minted, from its record in the sender's message area.
    fn mint_record(&self, passage: &Passage<'_>, place: Handle) -> Result<Mint, Refusal> {
        let bad = Refusal::Sender(Transport::BadTransfer);
        let (node, endpoint) = passage.under.ok_or(bad)?;
        if !self.is_open(endpoint) {
            return Err(Refusal::Sender(Transport::Disconnected));
        }
        self.nodes.can_derive(node).map_err(|error| Refusal::Receiver(error.into()))?;
        let thread = self.threads.get(passage.from.thread).ok_or(bad)?;
        let mut bytes = [0; MINT_BYTES];
        if !place.0.is_multiple_of(8) || !thread.ring.read_area(place.0.into(), &mut bytes) {
            return Err(Refusal::Sender(Transport::BadAddress));
        }
        let mint = Mint::decode(&bytes);
        if mint.interface == KERNEL_INTERFACE { Err(bad) } else { Ok(mint) }
    }

    /// Gives the receiver one capability, for which everything is prepared.
    fn hand_over(&mut self, passage: &Passage<'_>, sent: &Sent) -> Option<Handle> {
        let (from, to) = (passage.from.process, passage.to.process);
        match *sent {
            Sent::Copy(capability) => self.insert_child(to, capability.node, capability).ok(),
            Sent::Move(handle, capability) => self.move_capability(from, to, handle, capability),
            Sent::Mint(mint) => {
                let (node, endpoint) = passage.under?;
                let object = self.insert_minted(to, endpoint, Some(from), mint)?;
                let Mint { interface, methods, .. } = mint;
                let object = Object::Service(object);
                self.insert_child(to, node, Capability { object, interface, methods, node }).ok()
            }
        }
    }

    /// Moves a capability to another table. Its node goes along, and the charge for it.
    fn move_capability(
        &mut self,
        from: Id<Process>,
        to: Id<Process>,
        handle: Handle,
        capability: Capability<Object>,
    ) -> Option<Handle> {
        if from == to {
            let process = self.processes.get_mut(from)?;
            process.table.remove(&mut self.slots, handle).ok()?;
            let moved = process.table.insert(&mut self.slots, capability).ok();
            self.cancel_slots(to, 1);
            return moved;
        }
        let (sender, receiver) = self.processes.get_two_mut(from, to)?;
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let (handle, moved) =
            authority.hand_over(&mut sender.table, handle, &mut receiver.table, to.index()).ok()?;
        if moved.node == capability.node {
            self.return_entries(from, Kind::Capability, 1);
        }
        self.retain_reference(to, moved.object);
        self.release_reference(from, moved.object);
        Some(handle)
    }
}
