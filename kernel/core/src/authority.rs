//! Operations on capabilities: what happens to tables and tree together when authority is looked up, made, passed on and
//! given up.
//!
//! The tables, the slots and the tree are the kernel's; they are borrowed for one operation. Called by the kernel for each
//! capability that a message or an opcode names, and by the test that compares all of this with a plain model.
//!
//! Invariant: a capability in a table holds its node; an operation that is refused changes nothing; a mask is never larger
//! than that of the capability it comes from.

use crate::capability::{Capability, SlotStore, Table};
use crate::derivation::{NodeId, Tree};
use capos_abi::error::Transport;
use capos_abi::handle::Handle;

/// The slots of all tables, and the tree.
pub struct Authority<'k, O> {
    /// The slots.
    pub slots: &'k mut SlotStore<O>,
    /// The tree.
    pub nodes: &'k mut Tree,
}

/// The capability that `handle` names, if it works.
///
/// # Errors
/// [`Transport::BadHandle`], [`Transport::Revoked`].
pub fn working<O: Copy>(
    table: &Table,
    slots: &SlotStore<O>,
    nodes: &Tree,
    handle: Handle,
) -> Result<Capability<O>, Transport> {
    let capability = *table.get(slots, handle)?;
    if nodes.is_live(capability.node) { Ok(capability) } else { Err(Transport::Revoked) }
}

impl<O: Copy> Authority<'_, O> {
    /// Puts `capability` into `table` as a child of `parent`, charged to `owner`.
    ///
    /// # Errors
    /// [`Transport::NoSlot`], [`Transport::OutOfMemory`]; [`Transport::Revoked`] and [`Transport::Revoking`] of the parent.
    pub fn insert_child(
        &mut self,
        table: &mut Table,
        owner: u32,
        parent: NodeId,
        capability: Capability<O>,
    ) -> Result<Handle, Transport> {
        if table.available() == 0 {
            return Err(Transport::NoSlot);
        }
        let node = self.nodes.derive(parent, owner)?;
        table.insert(self.slots, Capability { node, ..capability })
    }

    /// A child with the methods `methods`, in the same table.
    ///
    /// # Errors
    /// [`Transport::MaskNotWithin`], and those of [`working`] and [`Authority::insert_child`].
    pub fn derive(
        &mut self,
        table: &mut Table,
        owner: u32,
        handle: Handle,
        methods: u64,
    ) -> Result<(Handle, Capability<O>), Transport> {
        let source = working(table, self.slots, self.nodes, handle)?;
        let derived = source.restricted(methods)?;
        Ok((self.insert_child(table, owner, source.node, derived)?, derived))
    }

    /// Another handle for the same capability, in the same table: both share the node.
    ///
    /// # Errors
    /// [`Transport::NoSlot`], and those of [`working`].
    pub fn duplicate(&mut self, table: &mut Table, handle: Handle) -> Result<Handle, Transport> {
        let source = working(table, self.slots, self.nodes, handle)?;
        let copy = table.insert(self.slots, source)?;
        self.nodes.share(source.node);
        Ok(copy)
    }

    /// The capability leaves `from` for `to`, where its node is charged to `owner`. Returns its handle there, and what left.
    ///
    /// # Errors
    /// [`Transport::NoSlot`], those of [`working`], and, if the node is shared, those of [`Authority::insert_child`].
    pub fn hand_over(
        &mut self,
        from: &mut Table,
        handle: Handle,
        to: &mut Table,
        owner: u32,
    ) -> Result<(Handle, Capability<O>), Transport> {
        if to.available() == 0 {
            return Err(Transport::NoSlot);
        }
        let capability = working(from, self.slots, self.nodes, handle)?;
        let node = self.nodes.hand_over(capability.node, owner)?;
        from.remove(self.slots, handle)?;
        let moved = Capability { node, ..capability };
        Ok((to.insert(self.slots, moved)?, moved))
    }

    /// The handle names nothing any more. Returns what it named, and the owner whose charge for its node ends at once.
    /// A revoked capability can be released too.
    ///
    /// # Errors
    /// [`Transport::BadHandle`].
    pub fn release(
        &mut self,
        table: &mut Table,
        handle: Handle,
    ) -> Result<(Capability<O>, Option<u32>), Transport> {
        let capability = table.remove(self.slots, handle)?;
        Ok((capability, self.nodes.release(capability.node)))
    }
}
