//! Returns: the end of a call that a server has received.
//!
//! Called with the opcodes return and return-and-receive.
//!
//! Invariant: a token is good for one return, by the process that received it. What is wrong on the server's side is refused
//! before anything has happened, and the token stays; what the caller cannot take ends the call for both, and what would
//! have moved stays with the server.

use super::receive::call_of;
use crate::calls::operation::{Operation, Parked};
use crate::calls::passage::{Passage, Refusal};
use crate::calls::{Answer, Origin};
use crate::kernel::{Kernel, NodeUse};
use crate::processes::thread::RecordKind;
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::Completion;
use capos_kernel_core::pool::Id;

impl Kernel {
    /// `return`.
    pub(crate) fn return_reply(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        self.reply_to(origin)?;
        Ok(Answer::DONE)
    }

    /// `return-and-receive`: whether it may receive is found out before the reply is given. If the reply is refused, nothing
    /// is received.
    pub(crate) fn return_and_receive(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let (endpoint, node) = self.receive_side(origin)?;
        let reserved = self.reserve_operation(origin, Some(RecordKind::Receive))?;
        if let Err(refusal) = self.reply_to(origin) {
            self.cancel_operation_reserve(origin.process, reserved);
            return Err(refusal.into());
        }
        let receive = self.park_reserved(origin, Parked::Receive(endpoint), Some(node), reserved)?;
        self.serve_receive(endpoint, receive);
        Ok(Answer::Parked)
    }

    /// Answers the call that the submission's token names.
    ///
    /// # Errors
    /// "caller gone" for a token that names no call of this process, or whose caller cannot be reached; "too large" and "no
    /// slot" if the reply does not fit what the caller stated; else what is wrong with the submission.
    fn reply_to(&mut self, origin: &Origin) -> Result<(), Transport> {
        let token = origin.submission.operand;
        let id = call_of(token).ok_or(Transport::CallerGone)?;
        self.settle_record(id.index());
        let call = self.operations.get(id).copied().ok_or(Transport::CallerGone)?;
        let endpoint = match call.parked {
            Parked::Delivered { endpoint, server, .. } if server == origin.process => endpoint,
            Parked::Abandoned { server, .. } if server == origin.process => {
                // It is told now.
                self.take_operation(id);
                return Err(Transport::CallerGone);
            }
            _ => return Err(Transport::CallerGone),
        };
        if origin.submission.method != 0 {
            self.finish_call(id, &call, -i32::from(origin.submission.method), 0, 0);
            return Ok(());
        }
        // The capability may have been released, or be another process's by now: the call keeps its place in the tree.
        let node = self.nodes.used_node(NodeUse::Operation(id.index()).number());
        let under = node.map(|node| (node, endpoint));
        let passage = Passage { from: origin, to: &call.origin, offset: 0, under };
        let (refusal, told) = match self.pass(&passage) {
            Ok(count) => {
                self.finish_call(id, &call, 0, count, origin.submission.length);
                return Ok(());
            }
            Err(Refusal::Sender(refusal)) => return Err(refusal),
            Err(Refusal::Room(refusal)) => (refusal, refusal),
            Err(Refusal::Table(refusal)) => (refusal, Transport::NoSlot),
            Err(Refusal::Receiver(refusal)) => (refusal, Transport::CallerGone),
        };
        self.finish_call(id, &call, refusal.result(), 0, 0);
        Err(told)
    }

    /// Completes a delivered call for its caller. Its server knows.
    pub(super) fn finish_call(
        &mut self,
        id: Id<Operation>,
        call: &Operation,
        result: i32,
        capability_count: u8,
        length: u32,
    ) {
        match call.parked {
            Parked::Delivered { object, server, .. } => self.end_call(id, call, object, server),
            _ => _ = self.take_operation(id),
        }
        let user_data = call.origin.submission.user_data;
        let completion = Completion { user_data, result, capability_count, length };
        self.post_to_peer(call.origin.thread, &completion);
    }
}
