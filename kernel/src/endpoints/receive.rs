//! Receives and calls: how they find each other.
//!
//! Called with the opcodes receive and return-and-receive and with calls to objects of endpoints; carried on by `work`.
//!
//! Invariant: a call is looked at by one receive; what it is refused for, it is refused before the server sees anything of it.

use super::{Endpoint, Minted};
use crate::calls::operation::{Operation, Parked};
use crate::calls::passage::{Passage, Refusal};
use crate::calls::{Answer, Call, Origin};
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::Process;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::{Completion, RECEIVED_HEADER_BYTES, ReceivedHeader, Submission};
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::Id;
use capos_schema::endpoint::Endpoint as Interface;

/// Calls and receives that are brought together at once; the rest is `work`'s.
const MATCHES_AT_ONCE: u32 = 2;

/// The reply token of a call.
pub(super) fn token_of(call: Id<Operation>) -> u64 {
    u64::from(call.index()) | u64::from(call.generation()) << 32
}

/// The call that a token would name.
pub(super) fn call_of(token: u64) -> Option<Id<Operation>> {
    Id::from_parts(token as u32, (token >> 32) as u32)
}

impl Kernel {
    /// A call to an object of an endpoint.
    pub(crate) fn call_service(&mut self, call: &Call<'_>, object: Id<Minted>) -> Result<Answer, CallError> {
        let endpoint = self.endpoint_of(object)?;
        let node = Some(call.capability.node);
        if call.origin.submission.send_count > 0 {
            self.check_send_list(call.origin)?;
        }
        if let Some((receive, server)) = self.waiting_receive(endpoint) {
            let id = self.park(call.origin, Parked::Delivered { endpoint, object, server }, node)?;
            if self.hand_to(receive, call.origin, object, id).is_ok() {
                return Ok(Answer::Parked);
            }
            // The long way finds out again what is wrong, and whom it concerns.
            self.repark(id, Parked::Queued { endpoint, object });
        } else {
            self.park(call.origin, Parked::Queued { endpoint, object }, node)?;
        }
        self.match_calls(endpoint);
        Ok(Answer::Parked)
    }

    /// The receive that a call would get at once, and its process; none if other calls wait.
    fn waiting_receive(&mut self, id: Id<Endpoint>) -> Option<(Id<Operation>, Id<Process>)> {
        self.endpoints.get(id).filter(|endpoint| endpoint.calls.is_empty())?;
        let receive = self.first_receive(id)?;
        Some((receive, self.operations.get(receive)?.origin.process))
    }

    /// `receive`: waits for a call, or takes one that waits.
    pub(crate) fn receive(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let (endpoint, node) = self.receive_side(origin)?;
        let receive = self.park(origin, Parked::Receive(endpoint), Some(node))?;
        self.serve_receive(endpoint, receive);
        Ok(Answer::Parked)
    }

    /// The endpoint from which the submission may receive, and the node of the capability that says so.
    ///
    /// # Errors
    /// Those of a capability that does not permit it; "too large" for a buffer without room for the header.
    pub(super) fn receive_side(&self, origin: &Origin) -> Result<(Id<Endpoint>, NodeId), Transport> {
        let capability = self.named(origin)?;
        let Object::Endpoint(endpoint) = capability.object else { return Err(Transport::WrongInterface) };
        if !capability.permits(Interface::RECEIVE) {
            return Err(Transport::MethodDenied);
        }
        if (origin.submission.result_capacity as usize) < RECEIVED_HEADER_BYTES {
            return Err(Transport::TooLarge);
        }
        Ok((endpoint, capability.node))
    }

    /// Gives a receive that has just begun what waits for it: events first, so that a server cannot let them pile up while
    /// it takes calls.
    pub(super) fn serve_receive(&mut self, id: Id<Endpoint>, receive: Id<Operation>) {
        let Some(process) = self.operations.get(receive).map(|operation| operation.origin.process) else {
            return;
        };
        let Some(endpoint) = self.endpoints.get(id) else { return };
        match self.fair.first_of(&endpoint.events, process.index()) {
            Some(event) => self.tell(id, event, receive),
            None => {
                self.match_calls(id);
                self.open_direct_way(id, receive);
            }
        }
    }

    /// Brings calls and receives together.
    fn match_calls(&mut self, id: Id<Endpoint>) {
        for _ in 0..MATCHES_AT_ONCE {
            if !self.match_one(id) {
                return;
            }
        }
        let has_calls = self.endpoints.get(id).is_some_and(|endpoint| !endpoint.calls.is_empty());
        if has_calls && self.first_receive(id).is_some() {
            self.work.add_endpoint(id);
        }
    }

    /// Delivers or refuses one call; false if there is none, or no receive.
    pub(super) fn match_one(&mut self, id: Id<Endpoint>) -> bool {
        let Some(endpoint) = self.endpoints.get(id) else { return false };
        let Some(call) = self.fair.first(&endpoint.calls).and_then(|element| self.queued_operation(element))
        else {
            return false;
        };
        let Some(receive) = self.first_receive(id) else { return false };
        match self.deliver(call, receive) {
            Ok(()) => {}
            Err(Refusal::Receiver(error)) => self.complete_operation(receive, Err(error.into())),
            Err(Refusal::Table(_)) => self.complete_operation(call, Err(Transport::NoSlot.into())),
            Err(Refusal::Sender(error) | Refusal::Room(error)) => {
                self.complete_operation(call, Err(error.into()));
            }
        }
        true
    }

    /// Lets a receive take a call that waits.
    fn deliver(&mut self, call: Id<Operation>, receive: Id<Operation>) -> Result<(), Refusal> {
        let gone = Refusal::Sender(Transport::Disconnected);
        let Some(Operation { origin: from, parked: Parked::Queued { endpoint, object }, .. }) =
            self.operations.get(call).copied()
        else {
            return Err(gone);
        };
        let server = self.operations.get(receive).map(|operation| operation.origin.process);
        let server = server.ok_or(Refusal::Receiver(Transport::Disconnected))?;
        self.hand_to(receive, &from, object, call)?;
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            self.fair.serve(&mut endpoint.calls, Kernel::operation_element(call.index()));
        }
        self.repark(call, Parked::Delivered { endpoint, object, server });
        Ok(())
    }

    /// Completes a receive with the call whose record is `call`.
    fn hand_to(
        &mut self,
        receive: Id<Operation>,
        from: &Origin,
        object: Id<Minted>,
        call: Id<Operation>,
    ) -> Result<(), Refusal> {
        let to = self.operations.get(receive).map(|operation| operation.origin);
        // A process that ends receives nothing any more: the call is for the next one.
        let to =
            to.filter(|to| self.is_running(to.process)).ok_or(Refusal::Receiver(Transport::Disconnected))?;
        let minted = self.working_object(object).ok_or(Refusal::Sender(Transport::Disconnected))?;
        let (interface, cookie) = (minted.interface, minted.cookie);
        let capability_count =
            self.pass(&Passage { from, to: &to, offset: RECEIVED_HEADER_BYTES, under: None })?;
        self.begin_serving(to.process, from.process);
        let Submission { length, method, .. } = from.submission;
        let token = token_of(call);
        let header = ReceivedHeader { interface, method, capability_count, cookie, token, length };
        self.finish_receive(receive, &header);
        Ok(())
    }

    /// Completes a receive whose message has been written.
    pub(super) fn finish_receive(&mut self, receive: Id<Operation>, header: &ReceivedHeader) {
        let Some(Operation { origin, parked: Parked::Receive(endpoint), .. }) =
            self.operations.get(receive).copied()
        else {
            return;
        };
        // The place was made sure of with the message's.
        let written = self.write_result_words(&origin, &header.encode());
        debug_assert!(written.is_ok());
        self.end_receive(receive, &origin, endpoint);
        let length = RECEIVED_HEADER_BYTES as u32 + header.length;
        let capability_count = header.capability_count;
        let completion =
            Completion { capability_count, length, ..Completion::new(origin.submission.user_data, 0) };
        self.post_to_peer(origin.thread, &completion);
    }
}
