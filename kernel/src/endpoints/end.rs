//! The death of a server and of an endpoint, in bounded steps.
//!
//! Called by `work` and by the end of processes.
//!
//! Invariant: behind the last step nothing waits for a process that has ended, or at an endpoint that is closed.

use super::Endpoint;
use crate::calls::operation::Parked;
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::processes::Process;
use capos_abi::error::Transport;
use capos_kernel_core::pool::Id;

/// Entries of the pools that one step looks at.
const ENTRIES_PER_STEP: u32 = 128;

impl Kernel {
    /// Ends a bit of what a process has served: calls that it received complete as disconnected, objects that it minted die
    /// with the calls that wait for them. False if nothing is left. The process receives nothing any more.
    pub(crate) fn end_service(&mut self, id: Id<Process>) -> bool {
        if let Some(call) = self.first_received(id) {
            let operation = self.operations.get(call).copied();
            match operation {
                Some(operation) if matches!(operation.parked, Parked::Delivered { .. }) => {
                    self.finish_call(call, &operation, Transport::Disconnected.result(), 0, 0);
                }
                _ => _ = self.take_operation(call),
            }
            return true;
        }
        let last = self.operations.reach().max(self.minted.reach());
        let Some(process) = self.processes.get_mut(id) else { return false };
        if !process.has_minted || process.swept >= last {
            return false;
        }
        let start = process.swept;
        process.swept = start + ENTRIES_PER_STEP;
        for index in start..start + ENTRIES_PER_STEP {
            self.kill_minted(index, id);
        }
        true
    }

    /// The object at `index`, and the call at `index`, if they are `server`'s.
    fn kill_minted(&mut self, index: u32, server: Id<Process>) {
        let call = self.operations.id_at(index);
        if let Some(Parked::Queued { object, .. }) =
            call.and_then(|call| self.operations.get(call)).map(|operation| operation.parked)
            && self.minted.get(object).is_some_and(|minted| minted.server == Some(server))
            && let Some(call) = call
        {
            self.complete_operation(call, Err(Transport::Disconnected.into()));
        }
        let Some(id) = self.minted.id_at(index) else { return };
        let Some(minted) = self.minted.get(id).filter(|minted| minted.server == Some(server)) else {
            return;
        };
        let (endpoint, is_free) = (minted.endpoint, minted.holders == 0);
        if is_free {
            self.drop_event(endpoint, Kernel::minted_element(index));
            self.remove_minted(id);
        }
    }

    /// Does one piece of what is to be done for an endpoint; false if nothing is left.
    pub(crate) fn endpoint_step(&mut self, id: Id<Endpoint>) -> bool {
        if self.is_open(id) {
            return self.match_one(id);
        }
        let Some(endpoint) = self.endpoints.get(id) else { return false };
        let call = self.fair.first(&endpoint.calls).and_then(|element| self.queued_operation(element));
        if let Some(operation) = call.or_else(|| self.first_receive(id)) {
            self.complete_operation(operation, Err(Transport::Disconnected.into()));
            return true;
        }
        let Some(endpoint) = self.endpoints.get(id) else { return false };
        if let Some(event) = self.fair.first(&endpoint.events) {
            self.forget_event(id, event);
            return true;
        }
        let (account, root) = (endpoint.account, endpoint.root);
        self.endpoints.discard(id);
        if let Some(account) = account {
            self.return_entries(account, Kind::Endpoint, 1);
        }
        if let Some(root) = root
            && self.minted.get(root).is_some_and(|minted| minted.holders == 0)
        {
            self.remove_minted(root);
        }
        false
    }
}
